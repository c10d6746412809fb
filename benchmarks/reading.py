"""Opening and iterating 10,000 PNG files, cold and warm, against a thread pool over PIL and a DataLoader."""

import io
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import tacit
from benchmarks.pairs import Ratio, compare
from tacit.data.feed import Feed

N, SIZE, BATCH = 10_000, 64, 128


def make_folder(folder: Path) -> None:
    """Writes 10,000 PNG files of rendered shapes into ten folders."""
    shapes = tacit.open_data("shapes", count=1000, size=SIZE, labels="none").x.numpy()
    for i in range(N):
        place = folder / f"class{i % 10}"
        place.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        image = np.roll(shapes[i % 1000].transpose(1, 2, 0), i // 1000, axis=0)
        Image.fromarray(image).save(buffer, "PNG", compress_level=1)
        (place / f"{i:05d}.png").write_bytes(buffer.getvalue())


def tensor(path: str) -> torch.Tensor:
    """Reads one file as people do."""
    with Image.open(path) as image:
        return torch.from_numpy(np.asarray(image.convert("RGB"))).permute(2, 0, 1).float().div_(255)


class Files(Dataset):
    """A folder as people write it."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(str(p) for p in folder.rglob("*.png"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> torch.Tensor:
        return tensor(self.paths[i])


def pooled(folder: Path) -> None:
    """One epoch by a thread pool."""
    paths = Files(folder).paths
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), BATCH):
            torch.stack(list(pool.map(tensor, paths[start : start + BATCH])))


def loaded(folder: Path) -> None:
    """One epoch by a DataLoader."""
    for _ in DataLoader(Files(folder), BATCH, shuffle=True, num_workers=os.cpu_count() or 1):
        pass


def ours(folder: Path, *, cold: bool) -> None:
    """Opening, and one epoch."""
    if cold:
        shutil.rmtree(os.environ["TACIT_CACHE"], ignore_errors=True)
    feed = Feed(tacit.open_data(str(folder), split="0"), BATCH)
    for k in range(N // BATCH):
        feed.round(k)


def run(pairs: int = 30) -> list[Ratio]:
    """Compares both peers, cold and warm."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["TACIT_CACHE"] = f"{place}/cache"
        folder = Path(place) / "files"
        folder.mkdir()
        make_folder(folder)
        what = f"open and iterate {N:,} PNG of {SIZE} x {SIZE}"
        return [
            compare(f"{what}, {how}, against {name}", lambda how=how: ours(folder, cold=how == "cold"),
                    lambda t=theirs: t(folder), work=N, pairs=pairs, warm=1)
            for how in ("cold", "warm")
            for name, theirs in (("threads over PIL", pooled), ("a DataLoader", loaded))
        ]
