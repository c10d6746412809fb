"""Many images as one array: headers first, then pixels, by threads, once; afterwards from the cache."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tacit.data import cache
from tacit.data.dataset import Skipped
from tacit.data.fingerprint import fingerprint
from tacit.data.folders import Batch, Entry, Place
from tacit.data.images import IMAGE_SUFFIXES, Header, Target, decode, quiet, read_header
from tacit.data.options import HALVES, ReadOptions
from tacit.data.progress import Say, progress
from tacit.data.raw import Raw
from tacit.data.splits import drawn
from tacit.errors import DataError, OptionError
from tacit.protocol import Spec

__all__ = ["is_image", "known_images", "read_images", "said_skipped"]

Array = np.ndarray[Any, Any]
Job = TypeVar("Job")
Result = TypeVar("Result")

OWN_SIZE = 64  # images keep their size up to here, and are brought here beyond
THREADS = min(16, 1 + (os.cpu_count() or 1))
COLUMNS = ("bytes", "width", "height", "mode")


@dataclass(frozen=True)
class Wanted:
    """What is asked of the images of a source; None is decided by what they are."""

    height: int | None
    width: int | None
    channels: int | None
    fit: str
    limit: int | None
    seed: int | None  # of the limit
    half: str | None = None  # of two images side by side


class Decoded(NamedTuple):
    """The images of one batch: which entries they are, their pixels, hashes of their files, and what failed."""

    positions: list[int]
    pixels: list[Array]
    marks: list[str]
    failed: dict[int, str]


def is_image(name: str) -> bool:
    """Returns whether a file is, by its name, an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def read_images(place: Place, options: ReadOptions, like: Spec | None, say: Say) -> Raw:
    """Reads the images of a place, from the cache where they lie there.

    Arguments:
        place: A folder, an archive or a list of files.
        options: Its size, fit, colour, limit and strict count.
        like: Images that these shall be like, in size and channels.
        say: Where progress is told.

    Raises:
        DataError: If no image can be read, or one cannot and reading is strict, or the cache cannot be written.
    """
    known = known_images(place, options, like)
    if known is not None:
        return known
    wanted = _wanted(options, like)
    with quiet():
        stored = cache.store(_key(place, wanted), partial(_make, place, wanted, options, say))
    return _raw(place, stored)


def known_images(place: Place, options: ReadOptions, like: Spec | None) -> Raw | None:
    """Returns the images of a place if they lie in the cache; an archive is not even listed for this.

    Raises:
        DataError: If one of them could not be read and reading is strict.
    """
    stored = cache.load(_key(place, _wanted(options, like)))
    if stored is None and like is not None:  # a run's own source, which was opened before there was a run
        stored = cache.load(_key(place, _wanted(options, None)))
        if stored is not None and tuple(stored[0].shape[1:]) != like.shape:
            return None
    if stored is None:
        return None
    raw = _raw(place, stored)
    _check_strict(raw.skipped, options)
    return raw


def said_skipped(skipped: Sequence[Skipped]) -> str:
    """Returns one line that counts and names what could not be read."""
    first = ", ".join(f"{s.name} ({s.reason})" for s in skipped[:3])
    more = f" and {len(skipped) - 3:,} more" if len(skipped) > 3 else ""
    return f"skipped {len(skipped):,} that cannot be read: {first}{more}; --strict fails instead"


def _check_strict(skipped: Sequence[Skipped], options: ReadOptions) -> None:
    if options.strict and skipped:
        raise DataError(f"{skipped[0].name} cannot be read: {skipped[0].reason}; without --strict it is skipped")


def _wanted(options: ReadOptions, like: Spec | None) -> Wanted:
    channels = {"auto": None, "rgb": 3, "grey": 1}[options.colour]
    height = width = options.size
    if options.size is not None and options.size < 1:
        raise OptionError(f"--size is {options.size}; expected a number of pixels, 1 or more")
    if like is not None:
        if like.kind != "image" or len(like.shape) != 3 or like.shape[0] not in (1, 3):
            raise DataError(f"the source holds images, and the run was fitted on {like}; give data of that kind")
        channels, height, width = like.shape
    seed = None if options.limit is None else options.split_seed
    return Wanted(height, width, channels, options.fit, options.limit, seed, HALVES.get(options.pair or ""))


def _key(place: Place, wanted: Wanted) -> dict[str, Any]:
    asked = asdict(wanted)
    if wanted.half is None:
        del asked["half"]
    return {"what": "images", "source": place.signature(is_image), **asked}


def _raw(place: Place, stored: cache.Stored) -> Raw:
    x, meta = stored
    ids: list[str] = meta["ids"]
    columns = {name: np.array(meta[name]) for name in (*COLUMNS, "date") if meta[name]}
    columns["folder"] = np.array([i.rpartition("/")[0] for i in ids], object)
    return Raw(
        "images", "image", ids, meta["fingerprint"], x, range=(0.0, 1.0), columns=columns, notes=list(meta["notes"]),
        skipped=[Skipped(*pair) for pair in meta["skipped"]], folder=place.folder,
    )


# Decoding ------------------------------------------------------------------------------------------------------------


def _make(place: Place, wanted: Wanted, options: ReadOptions, say: Say, folder: Path) -> dict[str, Any]:
    """Writes the images of a place to ``x.npy`` of a folder, and returns what is known of them."""
    entries = [e for e in place.entries() if is_image(e.id)]
    _check_strict(place.skipped, options)
    if wanted.limit is not None:
        entries = [entries[i] for i in drawn([e.id for e in entries], wanted.limit, options.split_seed)]
    failed: dict[int, str] = {}
    headers = _headers(place, entries, failed, options, say)
    headers, odd = _halved(headers, failed, entries, options) if wanted.half else (headers, [])
    _check_any(len(headers), place, entries, failed)
    target, notes = _plan(wanted, list(headers.values()))
    order, marks = _pixels(place, entries, headers, target, failed, folder / "x.npy", options, say)
    _check_any(len(order), place, entries, failed)
    ids, kept = [entries[i].id for i in order], [headers[i] for i in order]
    dates = [h.date for h in kept]
    lost = [[entries[i].id, reason] for i, reason in sorted(failed.items())]
    return {
        "ids": ids, "bytes": [entries[i].size for i in order], "width": [h.width for h in kept],
        "height": [h.height for h in kept], "mode": [h.mode for h in kept], "date": dates if any(dates) else [],
        "notes": [*odd, *notes],
        "skipped": [[s.name, s.reason] for s in place.skipped] + lost,
        "fingerprint": fingerprint("image", str(target) + (wanted.half or ""), ids, [marks[i] for i in order]),
    }


def _headers(place: Place, entries: Sequence[Entry], failed: dict[int, str], options: ReadOptions, say: Say
             ) -> dict[int, Header]:
    """Returns the header of each image that has one, by position."""
    found: dict[int, Header] = {}
    with progress("looking at images", len(entries), say) as advance:
        for headers, lost in _spread(place.batches(entries), _read_headers):
            found |= headers
            _note_failed(lost, failed, entries, options)
            advance(len(headers) + len(lost))
    return dict(sorted(found.items()))


def _halved(headers: dict[int, Header], failed: dict[int, str], entries: Sequence[Entry], options: ReadOptions
            ) -> tuple[dict[int, Header], list[str]]:
    """Returns what the halves of images say of themselves, and notes."""
    narrow = {i: "1 pixel wide: no two images lie in it side by side" for i, h in headers.items() if h.width < 2}
    _note_failed(narrow, failed, entries, options)
    odd = [i for i, h in headers.items() if h.width % 2 and i not in narrow]
    notes = [f"of an odd width, and read without their middle column: {len(odd):,} of {len(headers):,} images, as "
             f"{entries[odd[0]].id}"] if odd else []
    return {i: h._replace(width=h.width // 2) for i, h in headers.items() if i not in narrow}, notes


def _pixels(place: Place, entries: Sequence[Entry], headers: dict[int, Header], target: Target, failed: dict[int, str],
            path: Path, options: ReadOptions, say: Say) -> tuple[list[int], dict[int, str]]:
    """Writes pixels, and returns the positions that were decoded, in order, and a hash of each one's file."""
    positions = list(headers)
    came: list[int] = []
    marks: dict[int, str] = {}
    dtype = np.dtype(np.float32 if target.deep else np.uint8)
    jobs = place.batches([entries[i] for i in positions])
    with cache.Rows(path, target.shape, dtype, len(positions)) as rows:
        with progress("decoding", len(positions), say) as advance:
            for done in _spread(jobs, partial(_decode_batch, target)):
                if done.pixels:
                    rows.append(np.stack(done.pixels))
                here = [positions[i] for i in done.positions]
                came += here
                marks |= zip(here, done.marks, strict=True)
                _note_failed({positions[i]: why for i, why in done.failed.items()}, failed, entries, options)
                advance(len(done.positions) + len(done.failed))
    order = np.argsort(came, kind="stable")
    if (np.diff(order) != 1).any():  # a packed archive gives them as they lie
        cache.reorder(path, order)
    return sorted(came), marks


def _note_failed(lost: dict[int, str], failed: dict[int, str], entries: Sequence[Entry], options: ReadOptions) -> None:
    failed |= lost
    _check_strict([Skipped(entries[i].id, reason) for i, reason in sorted(lost.items())], options)


def _check_any(readable: int, place: Place, entries: Sequence[Entry], failed: dict[int, str]) -> None:
    if not readable:
        first = min(failed, default=None)
        named = "" if first is None else f", as {entries[first].id}: {failed[first]}"
        raise DataError(f"none of the {len(entries):,} images of {place.path} can be read{named}; tacit reads "
                        f"{' '.join(IMAGE_SUFFIXES)}")


def _read_headers(batch: Batch) -> tuple[dict[int, Header], dict[int, str]]:
    found: dict[int, Header] = {}
    failed: dict[int, str] = {}
    for opener in batch:
        try:
            with opener.open() as file:
                found[opener.position] = read_header(file)
        except (DataError, OSError) as error:
            failed[opener.position] = _reason(error)
    return found, failed


def _decode_batch(target: Target, batch: Batch) -> Decoded:
    done = Decoded([], [], [], {})
    for opener in batch:
        try:
            with opener.open() as file:
                mark = hashlib.file_digest(file, hashlib.blake2b).hexdigest()  # type: ignore[arg-type]
                file.seek(0)
                done.pixels.append(decode(file, target))
            done.positions.append(opener.position)
            done.marks.append(mark)
        except (DataError, OSError) as error:
            done.failed[opener.position] = _reason(error)
    return done


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _spread(jobs: Iterable[Job], work: Callable[[Job], Result]) -> Iterator[Result]:
    """Yields the results of jobs done by threads, in order; only a few wait at a time, so memory stays small."""
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tacit-read")
    try:
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) >= 2 * THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# What they are brought to --------------------------------------------------------------------------------------------


def _plan(wanted: Wanted, headers: Sequence[Header]) -> tuple[Target, list[str]]:
    """Returns what every image is brought to, and notes on what was decided."""
    height, width, notes = _size(wanted, Counter((h.height, h.width) for h in headers))
    grey = sum(h.grey for h in headers)
    channels = wanted.channels or (1 if grey == len(headers) else 3)
    if wanted.channels is None and 0 < grey < len(headers):
        notes.append(f"{grey:,} of {len(headers):,} images are grey; all are read as rgb")
    deep = sum(h.deep for h in headers)
    fine = deep == len(headers) == grey and channels == 1
    if fine:
        notes.append("16-bit grey images are read at full precision, as floats in [0, 1]")
    elif deep:
        notes.append(f"16 bits are scaled to 8 bits, in {deep:,} of {len(headers):,} images")
    if frames := sum(h.frames for h in headers):
        notes.append(f"of animated images, {frames:,} here, the first frame is read")
    return Target(height, width, channels, wanted.fit, fine, wanted.half), notes  # type: ignore[arg-type]


def _size(wanted: Wanted, sizes: Counter[tuple[int, int]]) -> tuple[int, int, list[str]]:
    if wanted.height and wanted.width:
        return wanted.height, wanted.width, []
    (height, width), _ = sizes.most_common(1)[0]
    if len(sizes) == 1 and max(height, width) <= OWN_SIZE:
        return height, width, [f"images are {height} x {width}"]
    found = f"{height} x {width}" if len(sizes) == 1 else (
        f"of {len(sizes):,} sizes, from {_said(min(sizes, key=_area))} to {_said(max(sizes, key=_area))}")
    return OWN_SIZE, OWN_SIZE, [f"images are {found}; brought to {OWN_SIZE} x {OWN_SIZE} ({wanted.fit}); --size sets "
                                "another"]


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _said(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
