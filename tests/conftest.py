"""What all tests share: two threads among the workers, a cache of their own, and no disk outside their own folders."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: threads that spin starve the other workers

import numpy as np
import pytest
import torch

import tacit

CORES = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
THREADS = max(1, CORES // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@pytest.fixture(autouse=True)
def own_threads():
    """Anew for each test: one that asks for threads leaves their number behind."""
    torch.set_num_threads(THREADS)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TACIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def little_digits():
    """300 digits with labels, as arrays."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images[:300] * 255 / 16).round().astype(np.uint8)
    return images, digits.target[:300].astype(np.int64)


@pytest.fixture(scope="session")
def digits_data(little_digits):
    """The same as `Data`."""
    return tacit.open_data(little_digits)
