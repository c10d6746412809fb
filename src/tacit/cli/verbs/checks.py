"""``tacit checks``: what to send along with a question."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage

__all__ = ["run", "usage"]

GIB = 2**30


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    return Usage("checks", "Shows versions, devices and disk: what to send along with a question.", words=tuple(words))


def run(call: Call, say: Say) -> None:
    """Says everything that an answer may hang on."""
    for title, text in (*versions(), *devices(), *disk(), *extras()):
        say(f"{title:18}{text}")


def versions() -> Iterator[tuple[str, str]]:
    """Yields the versions of tacit, of Python and of what tacit always needs."""
    yield "tacit", metadata.version("tacit")
    yield "python", f"{platform.python_version()} at {sys.executable}"
    yield "system", platform.platform()
    for package, extra in requirements():
        if extra is None:
            yield package, installed(package) or "missing; install tacit again"


def devices() -> Iterator[tuple[str, str]]:
    """Yields what there is to compute on."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield "torch", f"cannot be imported: {error}"
        return
    yield "cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads of torch"
    for i in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(i)
        yield f"cuda:{i}", f"{found.name}, {found.total_memory / GIB:.1f} GiB, CUDA {torch.version.cuda}"
    if not torch.cuda.is_available():
        yield "cuda", "none" if torch.version.cuda else "none: this build of torch is without CUDA"
    yield "mps", "yes" if torch.backends.mps.is_available() else "none"


def disk() -> Iterator[tuple[str, str]]:
    """Yields the size of the cache, and what is free there and here."""
    from tacit.data.cache import cache_bytes, cache_folder

    cache = cache_folder()
    yield "cache", f"{cache}, {cache_bytes() / GIB:.2f} GiB"
    there = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    yield "free", f"{shutil.disk_usage(there).free / GIB:.1f} GiB for the cache, " \
                  f"{shutil.disk_usage(Path()).free / GIB:.1f} GiB in this folder"


def extras() -> Iterator[tuple[str, str]]:
    """Yields, for each extra, what of it is installed."""
    packages: dict[str, list[str]] = {}
    for package, extra in requirements():
        if extra is not None:
            version = installed(package)
            packages.setdefault(extra, []).append(f"{package} {version}" if version else f"no {package}")
    for extra, found in packages.items():
        yield f"[{extra}]", ", ".join(found)


def requirements() -> Iterator[tuple[str, str | None]]:
    """Yields each package that tacit needs, and the extra that it belongs to."""
    for line in metadata.requires("tacit") or ():
        package = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        if package:
            yield package[0], extra[1] if extra else None


def installed(package: str) -> str | None:
    """Returns a package's version, or None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
