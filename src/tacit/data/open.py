"""From what a person names to samples: the kind of source is found out, said, and read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tacit.data.archives import ARCHIVES, Archive, is_archive, place_at
from tacit.data.arrays import from_memory, read_arrays, with_items
from tacit.data.assemble import Read, assemble
from tacit.data.builtin import BUILTIN
from tacit.data.cache import remembered
from tacit.data.dataset import IN_MEMORY, Data
from tacit.data.duplicates import NEAR, near_images
from tacit.data.folders import Entry, Place
from tacit.data.idx import is_idx
from tacit.data.images import IMAGE_SUFFIXES
from tacit.data.manifest import read_manifest
from tacit.data.options import HALVES, ReadOptions
from tacit.data.partners import Partners, halves, matched, size_beside, subset
from tacit.data.progress import Say, silent
from tacit.data.raw import Raw
from tacit.data.resident import known_images, read_images
from tacit.data.splits import drawn
from tacit.data.tables import read_table
from tacit.errors import DataError, OptionError, did_you_mean
from tacit.protocol import Spec

__all__ = ["MODALITIES", "Modality", "modality_of", "open_source", "word"]

DEFAULT = ReadOptions()
MANY = 5_000  # images in memory beyond which the search for near duplicates is worth remembering
ASIDE = 3  # notes, licences and lists of labels that may lie beside the samples


@dataclass(frozen=True)
class Modality:
    """A kind of file.

    Arguments:
        suffixes: By which it is known.
        read: Reads the files of a place that are of this kind; None where tacit does not read them yet.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Place, Sequence[Entry], ReadOptions, Spec | None, Say], Raw] | None = None


def open_source(source: Any, options: ReadOptions = DEFAULT, *, like: Spec | None = None,
                say: Say = silent) -> Data:
    """Opens what a person names as data.

    Arguments:
        source: Name of a built-in source; path of an image, a folder or an archive of images, of a table, a manifest
            or an array; or an array, a tensor, a data frame, a pair (x, labels).
        options: How it is read, labelled and split.
        like: What a run was fitted on: images are brought to its size and channels, tables are coded with its columns,
            everything else must have its shape. A single sample is then enough. It is what comes of the source when
            the options have been followed: of images of which something is derived, they are brought to its `pair`.
        say: Where everything that is assumed is told, a line at a time; `Data.notes` keeps it.

    Raises:
        DataError: If there is no such source, nothing in it can be read, or it does not fit what was asked for.
        OptionError: If an option has a value that it cannot have, or makes no difference to such a source.
    """
    if isinstance(source, Data):
        if given := options.to_dict():
            raise OptionError(f"the data are open already: {', '.join(given)} belongs to tacit.open_data")
        return source
    options.check_partners()
    asked = replace(like, shape=like.pair, pair=()) if like is not None and options.derive and like.pair else like
    read = _with_items(source, options, asked, say) if options.items else _read(source, options, asked, say)
    if like is None:  # what a run was given once goes for all that it opens later
        options.check_source(read.source, read.kinds)
    read = _marked(_limited(read, options), options, say)
    pair, target = _partners(source, read.raw, options, say), None
    if options.target is not None:
        target = _read(options.target, options, like or _image_like(read.raw), say)
        target = _marked(_limited(target, options), options, say)
    return assemble(read, options, like, say, pair, target)


def _with_items(vectors: Any, options: ReadOptions, like: Spec | None, say: Say) -> Read:
    """Reads vectors made elsewhere, and what they stand for."""
    whole = replace(options, items=None, limit=None)
    read, items = _read(vectors, whole, like, say), _marked(_read(options.items, whole, None, say), options, say)
    return replace(read, raw=with_items(read.raw, items.raw), kinds=(*read.kinds, *items.kinds))


def _partners(source: Any, raw: Raw, options: ReadOptions, say: Say) -> Partners | None:
    """Reads the partners of samples, images of a size that fits beside theirs."""
    named = options.pair
    if named is None:
        return None
    if named in HALVES:
        if "bytes" not in raw.columns or raw.kind != "image":
            raise DataError(f"--pair {named} is for files that hold two images side by side; {raw.name} holds none; "
                            f"./{named} is the source of that name")
        other = _read(source, replace(options, labels="none", pair=HALVES[named]), _image_like(raw), say)
        beside = [f"{named} is a half of each image; ./{named} is the one on the disk"] if Path(named).exists() else []
        found = halves(raw, _limited(other, options).raw)
        return replace(found, notes=[f"pairs: in each image two lie side by side; the {named} half is the partner of "
                                     "the other", *beside])
    alone = replace(options, labels="none", limit=None, pair=None)
    found = matched(raw, _read(named, alone, None, say).raw, strict=options.strict)
    size, x = size_beside(raw, found), found.x
    if size is None or size == tuple(x.shape[2:]):
        return found
    pair = _read(named, alone, Spec("image", (x.shape[1], *size), (0.0, 1.0)), say).raw
    return matched(raw, pair, strict=options.strict)


def _image_like(raw: Raw) -> Spec | None:
    if raw.kind != "image" or raw.x is None or raw.x.shape[1] not in (1, 3):
        return None
    return Spec("image", tuple(raw.x.shape[1:]), raw.range)


def _read(source: Any, options: ReadOptions, like: Spec | None, say: Say) -> Read:
    """Reads one source."""
    if not isinstance(source, str | Path):
        raw = from_memory(source, _sized(options, like))
        table = raw.kind == "table"
        return Read(IN_MEMORY, raw, _kinds("tables" if table else "arrays", raw), table)
    name = str(source)
    if name in BUILTIN:
        raw = BUILTIN[name](_sized(options, like))
        beside = [f"{name} is the built-in source; ./{name} is the one on the disk"] if Path(name).exists() else []
        return Read(name, replace(raw, notes=[*raw.notes, *beside]), _kinds("built-in sources", raw))
    path = Path(name).expanduser()
    if not path.exists():
        raise _missing(name, path)
    read = _read_path(path, options, like, say)
    return replace(read, source=name, raw=replace(read.raw, name=word(path)))


def _read_path(path: Path, options: ReadOptions, like: Spec | None, say: Say) -> Read:
    """Reads what a path holds."""
    place = place_at(path)
    if isinstance(place, Archive):
        known = known_images(place, options, like)  # so that a large archive is listed once only
        if known is not None:
            return Read(str(path), known, _kinds("images", known))
    name, entries = _sniffed(place)
    read = MODALITIES[name].read
    if read is None:
        raise DataError(f"{path} holds {name}: {_counted(entries)}; tacit reads images, tables and arrays so far")
    raw = read(place, entries, options, like, say)
    named = name == "tables" or entries[0].id.endswith(".npz") and not Path(options.labels).exists()
    return Read(str(path), raw, _kinds(name, raw), named)


def _kinds(name: str, raw: Raw) -> tuple[str, ...]:
    """Returns what a source is, as keys of `HEEDS`: tables and arrays may be images, too."""
    return (name, "images") if raw.kind == "image" else (name,)


def _limited(read: Read, options: ReadOptions) -> Read:
    """Returns what was read with no more samples than were asked for."""
    count = len(read.raw.ids)
    if options.limit is None or options.limit >= count:
        return read
    some = subset(read.raw, drawn(read.raw.ids, options.limit, options.split_seed))
    return replace(read, raw=replace(some, notes=[*some.notes, f"{options.limit:,} of {count:,} samples are read"]))


def _marked(read: Read, options: ReadOptions, say: Say) -> Read:
    """Returns what was read with images that are duplicates, exact or near, under equal keys."""
    raw, x = read.raw, read.raw.x
    if raw.kind != "image" or x is None or raw.keys is not None or read.source in BUILTIN or options.split == "0":
        return read

    def search() -> np.ndarray[Any, Any]:
        if len(x) >= MANY:
            say(f"looking for near duplicates among {len(x):,} images, once")
        return near_images(x)

    keep = "folder" in raw.columns or len(x) >= MANY
    return replace(read, raw=replace(raw, keys=remembered(NEAR, raw.fingerprint, search) if keep else search()))


def _sized(options: ReadOptions, like: Spec | None) -> ReadOptions:
    """Returns options by which images in memory are brought to the size and the channels of a run's."""
    if like is None or like.kind != "image" or like.shape[0] not in (1, 3):
        return options
    size = like.shape[1] if like.shape[1] == like.shape[2] else options.size
    return replace(options, size=size, colour="rgb" if like.shape[0] == 3 else "grey")


def word(path: Path) -> str:
    """Returns a short word for a path, for run directories."""
    name = path.resolve().name
    suffix = next((s for s in ARCHIVES if name.lower().endswith(s)), path.suffix)
    return name[: len(name) - len(suffix)] if suffix and not path.is_dir() else name or "root"


def _missing(name: str, path: Path) -> DataError:
    if name.startswith("hf:"):
        return DataError(f"{name}: data sets of the hub are not read yet; save it as a folder, a table or an array")
    folder = path.parent
    beside = [p.name for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []
    known = {str(folder / b) if folder != Path(".") else b for b in beside} | set(BUILTIN)
    return DataError(f"there is no {name}; give a path, or one of {', '.join(BUILTIN)}.{did_you_mean(name, known)}")


# Which kind of source ------------------------------------------------------------------------------------------------


def modality_of(name: str) -> str | None:
    """Returns the kind of a file by its name, or None.

    Example:
        >>> modality_of("a/B.JPG"), modality_of("t10k-images-idx3-ubyte.gz"), modality_of("README")
        ('images', 'arrays', None)
    """
    known = BY_SUFFIX.get(name[name.rfind(".") :].lower())
    if known is not None:
        return known
    return next((m for m, kind in MODALITIES.items() if name.lower().endswith(kind.suffixes)), None)


def _sniffed(place: Place) -> tuple[str, list[Entry]]:
    """Returns what kind of files a place holds, and these files.

    Raises:
        DataError: If it holds none that tacit knows, or several kinds.
    """
    entries = place.entries()
    by_kind: dict[str | None, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_kind[modality_of(entry.id)].append(entry)
    kinds = {kind: by_kind[kind] for kind in MODALITIES if kind in by_kind}
    if not kinds:
        held = f"{len(entries):,} files ({_counted(entries)})" if entries else "no files"
        lost = f"; {place.skipped[0].name} {place.skipped[0].reason}" if place.skipped else ""
        raise DataError(f"{place.path} holds {held}{lost}; tacit reads images ({' '.join(IMAGE_SUFFIXES)}), tables "
                        "(.csv .tsv .parquet) and arrays (.npy .npz .idx.gz)")
    first = max(kinds, key=lambda k: len(kinds[k]))
    others = sum(len(v) for k, v in kinds.items() if k != first)
    aside = all(k in ("text", "tables") and len(v) <= ASIDE for k, v in kinds.items() if k != first)
    if others and not aside and 10 * others > len(kinds[first]):
        counts = ", ".join(f"{len(v):,} of {k} ({_counted(v)})" for k, v in kinds.items())
        raise DataError(f"{place.path} holds files of several kinds: {counts}; give a folder of one kind")
    return first, kinds[first]


def _counted(entries: Sequence[Entry]) -> str:
    """Returns how many files have which suffix: ``.txt 3, .md 1``."""
    suffixes = Counter(Path(e.id).suffix.lower() or "no suffix" for e in entries)
    return ", ".join(f"{suffix} {n:,}" for suffix, n in suffixes.most_common(5))


def _images(place: Place, entries: Sequence[Entry], options: ReadOptions, like: Spec | None, say: Say) -> Raw:
    return read_images(place, options, like, say)


def _tables(place: Place, entries: Sequence[Entry], options: ReadOptions, like: Spec | None, say: Say) -> Raw:
    path = _single(place, entries)
    manifest = read_manifest(path, options, like, say)
    return read_table(path, options, like) if manifest is None else manifest


def _arrays(place: Place, entries: Sequence[Entry], options: ReadOptions, like: Spec | None, say: Say) -> Raw:
    above = {Path(e.where).parent for e in entries}
    if place.path.is_dir() and len(above) == 1 and is_idx(folder := above.pop()):
        return read_arrays(folder, _sized(options, like))
    return read_arrays(_single(place, entries), _sized(options, like))


def _single(place: Place, entries: Sequence[Entry]) -> Path:
    """Returns the only file of a kind that a place holds.

    Raises:
        DataError: If there are several, or they lie in an archive.
    """
    if is_archive(place.path):
        raise DataError(f"{place.path} holds {_counted(entries)}; tables and arrays are read unpacked: unpack it first")
    if len(entries) > 1:
        raise DataError(f"{place.path} holds {len(entries):,} files ({_counted(entries)}), as {entries[0].id} and "
                        f"{entries[1].id}; name one")
    return Path(entries[0].where)


MODALITIES: Mapping[str, Modality] = {
    "images": Modality(IMAGE_SUFFIXES, _images),
    "tables": Modality((".csv", ".tsv", ".parquet"), _tables),
    "arrays": Modality((".npy", ".npz", ".idx", ".idx.gz", "-ubyte", "-ubyte.gz"), _arrays),
    "audio": Modality((".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")),
    "video": Modality((".mp4", ".mov", ".avi", ".mkv", ".webm")),
    "text": Modality((".txt", ".md", ".jsonl")),
}  # a further modality is a further reader here
BY_SUFFIX = {suffix: name for name, kind in MODALITIES.items() for suffix in kind.suffixes}
