"""Arrays as a source: .npy, .npz and idx files, and what a program holds in memory."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data.fingerprint import fingerprint
from tacit.data.idx import is_idx, pairs, partner, read_idx
from tacit.data.options import ReadOptions
from tacit.data.pixels import brought
from tacit.data.raw import Raw
from tacit.data.tables import from_frame
from tacit.errors import DataError, did_you_mean
from tacit.protocol import Kind, Spec

__all__ = ["from_memory", "read_arrays", "row_ids", "with_items"]

Array = np.ndarray[Any, Any]

X_KEYS = ("x", "images", "data", "arr_0")
Y_KEYS = ("y", "labels", "label")
ID_KEYS = ("ids", "id")
AXES: Mapping[str, tuple[int, ...]] = {"vector": (2,), "map": (4,), "image": (3, 4)}
HELD_OUT = ("test", "t10k", "val", "valid", "validation")
PART = re.compile(rf"^(?:(?P<x>x|images|data)_(?P<a>train|{'|'.join(HELD_OUT)})|"
                  rf"(?P<b>train|{'|'.join(HELD_OUT)})_(?P<z>x|images|data))$")


@dataclass
class Found:
    """Arrays with the parts that they play, before a modality is read into them."""

    x: Array
    y: Array | None = None
    ids: Sequence[str] | None = None
    held_out: Array | None = None
    columns: Mapping[str, Array] | None = None
    notes: tuple[str, ...] = ()


def row_ids(count: int, prefix: str = "") -> list[str]:
    """Returns ids of rows: ``0000``, ``0001`` ...; equal for equal rows of a source that grew."""
    return [f"{prefix}{i:04d}" for i in range(count)]


def read_arrays(path: str | Path, options: ReadOptions, like: Spec | None = None) -> Raw:
    """Reads a .npy, .npz or idx file, or a folder with the idx files of MNIST.

    Arguments:
        path: Of the file or folder. Of a single idx file of images, the labels are found beside it.
        options: How to read.
        like: What the samples should be, where it is known; otherwise type and shape decide, and a note says so.

    Raises:
        DataError: If the file is of another format or damaged, holds pickled objects, NaN or infinity, or its shape,
            type or range fits no modality.
    """
    path = Path(path)
    if is_idx(path):
        found = _idx_folder(path) if path.is_dir() else _idx_file(path)
    elif path.suffix == ".npz":
        found = _npz(path, options)
    else:
        found = Found(_load(path))
    return _raw(path.name.split(".")[0] or "array", str(path), found, options, like)


def from_memory(value: Any, options: ReadOptions, like: Spec | None = None) -> Raw:
    """Reads what a program holds: an array, a tensor, a list of numbers, a data frame, or a pair (x, labels).

    Arguments:
        value: Samples, along the first axis.
        options: How to read.
        like: What the samples should be, where it is known.

    Raises:
        DataError: If the value is none of these, or cannot be a set of samples.

    Example:
        >>> raw = from_memory([[0.5, 1.0], [2.0, 3.0], [4.0, 5.0]], ReadOptions())
        >>> raw.kind, tuple(raw.x.shape), raw.ids[:2]
        ('vector', (3, 2), ['0000', '0001'])
    """
    y = None
    if isinstance(value, tuple) and len(value) == 2 and not np.isscalar(value[0]):
        value, y = value
    if type(value).__module__.split(".")[0] == "pandas" and hasattr(value, "columns"):
        if y is not None:
            value = value.assign(label=_as_array(y, "the labels"))
        return from_frame(value, "array", options, like)
    found = Found(_as_array(value, "the source"), None if y is None else _as_array(y, "the labels"))
    return _raw("array", "the array", found, options, like)


def with_items(vectors: Raw, items: Raw) -> Raw:
    """Returns vectors made elsewhere with the ids, labels and columns of the items that they stand for.

    Arguments:
        vectors: What a method sees, N samples.
        items: Where they come from, N samples in the same order.

    Raises:
        DataError: If the counts differ.
    """
    if len(vectors.ids) != len(items.ids):
        lost = f", after {len(items.skipped):,} could not be read" if items.skipped else ""
        raise DataError(f"{vectors.name} has {len(vectors.ids):,} vectors and {items.name} has {len(items.ids):,} items"
                        f"{lost}; give one vector for each item, in the order of the items' ids")
    labels = vectors.label if items.label is None else items.label
    return replace(
        vectors, ids=items.ids, label=labels, columns={**vectors.columns, **items.columns}, folder=items.folder,
        keys=items.keys, held_out=items.held_out, notes=[*vectors.notes, *items.notes],
        skipped=[*vectors.skipped, *items.skipped], fingerprint=fingerprint(vectors.fingerprint, items.fingerprint),
    )


def _raw(name: str, source: str, found: Found, options: ReadOptions, like: Spec | None) -> Raw:
    """Returns what arrays hold, once their modality is read from type, shape and range."""
    x, kind, note = _samples(found.x, source, like.kind if like else None)
    notes = [*found.notes, note]
    if kind == "image":
        x, more = brought(x, options)
        notes += more
    label = None if found.y is None or options.labels == "none" else _words(found.y, len(x), source)
    bounded = kind == "image" or x.dtype == torch.uint8
    return Raw(
        name, kind, found.ids or row_ids(len(x)), _hash(x, kind, label, found), x,
        range=(0.0, 1.0) if bounded else None, label=label, held_out=found.held_out,
        columns=dict(found.columns or {}), notes=notes,
    )


def _hash(x: Tensor, kind: Kind, label: Sequence[str | None] | None, found: Found) -> str:
    words = ["" if w is None else w for w in label or ()]
    held_out = np.zeros(0, bool) if found.held_out is None else found.held_out
    columns = [part for name, column in (found.columns or {}).items() for part in (name, column)]
    return fingerprint(kind, x, words, held_out, found.ids or "", *columns)


# What type and shape say ---------------------------------------------------------------------------------------------


def _samples(x: Array, source: str, wanted: Kind | None) -> tuple[Tensor, Kind, str]:
    """Returns samples in source precision, their modality, and a note that says why."""
    said = f"{x.dtype} {tuple(x.shape)}"
    if x.dtype.kind not in "fiub":
        raise DataError(f"{source} holds {said}; expected numbers")
    if x.ndim == 0 or not x.size:
        raise DataError(f"{source} holds {said}: no samples; expected them along the first axis")
    if wanted in ("codes", "tokens"):
        return torch.from_numpy(x.astype(np.int64)), wanted, f"{said}: read as {wanted}"
    if x.ndim == 1:
        x = x[:, None]  # (N,) -> (N, 1)
    kind = wanted if wanted and x.ndim in AXES.get(wanted, ()) else _kind(x, source)
    if kind != "image":
        return _numbers(x, source), kind, f"{said}: read as {kind}s of {x[0].size} numbers"
    x = x[:, None] if x.ndim == 3 else x  # (N, H, W) -> (N, 1, H, W)
    last = _channels_last(x)
    picture = _pixels(x.transpose(0, 3, 1, 2) if last else x, source)
    channels, height, width = picture.shape[1:]
    where = f", channels {'last' if last else 'first'}" if channels > 1 else ""
    return picture, kind, f"{said}: read as {len(x):,} images of {height} x {width}{where}"


def _kind(x: Array, source: str) -> Kind:
    """Returns the modality that a shape and a type say."""
    said, shape = f"{source} holds {x.dtype} {tuple(x.shape)}", x.shape
    if x.ndim == 2:
        return "vector"
    if x.ndim > 4:
        raise DataError(f"{said}; expected (N, D), (N, H, W), (N, C, H, W) or (N, H, W, C)")
    if x.dtype.kind in "iu" and x.dtype != np.uint8:
        raise DataError(f"{said}: integers that may be pixels or codes; x.astype('uint8') makes images of 0 to 255, "
                        "x.astype('float32') makes maps")
    if x.ndim == 3 and x.dtype == np.uint8 and shape[2] in (3, 4) and min(shape[:2]) >= 16:
        raise DataError(f"{said}, which is one picture; samples come first: save x[None], or an array of all pictures")
    if x.ndim == 3 or shape[1] in (1, 3, 4) or shape[3] in (1, 3, 4):
        return "image"
    return "map"


def _channels_last(x: Array) -> bool:
    return x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3, 4)


def _pixels(x: Array, source: str) -> Tensor:
    """Returns images (N, C, H, W): bytes as they are, bits as 0 and 255, floats where they lie in [0, 1]."""
    if x.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(x) if not x.flags["C_CONTIGUOUS"] else x)
    if x.dtype == np.bool_:
        return torch.from_numpy(x.astype(np.uint8) * np.uint8(255))
    image = _numbers(x, source)
    low, high = (float(v) for v in torch.aminmax(image))
    if low < 0 or high > 1:
        mend = "divide by 255" if low >= 0 and high <= 255 else f"(x - {low:.6g}) / {high - low:.6g} brings them there"
        mend = "(x + 1) / 2 brings them there" if low >= -1 and high <= 1 else mend
        raise DataError(f"{source} holds images of floats in [{low:.6g}, {high:.6g}]; expected [0, 1]: {mend}; if they "
                        "are no images, x.reshape(len(x), -1) makes vectors")
    return image


def _numbers(x: Array, source: str) -> Tensor:
    """Returns finite float32 samples; bytes stay bytes, which a method sees in [0, 1]."""
    if x.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(x))
    with np.errstate(over="ignore"):  # too great for float32 becomes infinity, which is counted below
        numbers = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
    good = torch.cat([part.isfinite().flatten(1).all(1) for part in numbers.split(4096)])
    if not good.all():
        bad = (~good).nonzero().flatten().tolist()
        rows = f"row{'s' if len(bad) > 1 else ''} {', '.join(map(str, bad[:5]))}{' ...' if len(bad) > 5 else ''}"
        raise DataError(f"{source} holds NaN or infinity in {len(bad):,} of {len(x):,} samples ({rows}); fill them, or "
                        "keep x[np.isfinite(x).reshape(len(x), -1).all(1)]")
    return numbers


def _words(y: Array, count: int, source: str) -> list[str | None]:
    """Returns the word of each label: strings as they are, whole numbers as digits; None for -1, NaN and ""."""
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.shape != (count,):
        raise DataError(f"{source} has {count:,} samples and labels of shape {tuple(y.shape)}; expected one label each"
                        + ("; y.argmax(1) undoes one-hot" if y.ndim == 2 and len(y) == count else ""))
    if y.dtype.kind == "f":
        known = y[~np.isnan(y)]
        if (known != np.round(known)).any():
            raise DataError(f"{source} has labels that are not whole numbers, as {known[known != np.round(known)][0]}; "
                            "expected classes")
        y = np.where(np.isnan(y), -1, y).astype(np.int64)
    y = y.astype(str) if y.dtype.kind == "S" else y
    words = {v: str(v) for v in y.tolist()}
    return [None if v in (-1, "", None) else words[v] for v in y.tolist()]


# Where arrays come from ----------------------------------------------------------------------------------------------


def _as_array(value: Any, what: str) -> Array:
    """Returns an array of anything that is one: a tensor, a list of numbers, a column of a frame."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()  # type: ignore[no-any-return]
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what} is a list of unequal lengths; expected samples of one shape") from error
    if array.dtype.kind == "O" and all(isinstance(v, str | None) for v in array.flat):
        return array
    array = array if array.flags.writeable else array.copy()
    if array.dtype.kind not in "fiubUS":
        raise DataError(f"{what} is {type(value).__name__} of {array.dtype}; expected numbers: an array, a tensor, a "
                        "list, a data frame, or a pair (x, labels)")
    return array


def _load(path: Path) -> Array:
    """Reads one .npy file without pickles, as a map of the file that is private to this process."""
    _check_magic(path, b"\x93NUMPY", "a .npy file")
    try:
        return _native(np.load(path, mmap_mode="c", allow_pickle=False), str(path))
    except (ValueError, EOFError, OSError) as error:
        raise _unreadable(path, error) from error


def _npz(path: Path, options: ReadOptions) -> Found:
    """Reads a .npz file: its samples, labels, ids, and what else has one value for each sample."""
    _check_magic(path, b"PK", "a .npz file")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: _native(file[key], f"{path}[{key!r}]") for key in file.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise _unreadable(path, error) from error
    parts = {key: match["a"] or match["b"] for key in arrays if (match := PART.match(key))}
    return _parts(path, arrays, parts) if len(parts) > 1 else _whole(path, arrays, options)


def _whole(path: Path, arrays: Mapping[str, Array], options: ReadOptions) -> Found:
    """Returns the parts that the arrays of a .npz file play, by their names."""
    held = ", ".join(f"{k} {tuple(v.shape)}" for k, v in arrays.items()) or "nothing"
    keys = [k for k in X_KEYS if k in arrays] or (list(arrays) if len(arrays) == 1 else [])
    if len(keys) != 1:
        raise DataError(f"{path} holds {held}; expected the samples under one of {', '.join(X_KEYS)}")
    x, rest = arrays[keys[0]], {k: v for k, v in arrays.items() if k != keys[0]}
    named = () if options.labels in ("auto", "none", "folder") or Path(options.labels).exists() else (options.labels,)
    for key in named:
        if key not in rest:
            raise DataError(f"{path} has no array {key!r} for labels; it holds {held}.{did_you_mean(key, rest)}")
    labels = [k for k in named or Y_KEYS if k in rest]
    if len(labels) > 1:
        raise DataError(f"{path} holds labels under {' and '.join(labels)}; choose with --labels KEY")
    ids = next((rest[k].astype(str).tolist() for k in ID_KEYS if k in rest and rest[k].shape == x.shape[:1]), None)
    if ids and len(set(ids)) < len(ids):
        raise DataError(f"{path} has ids that occur twice; expected one of its own for each sample")
    columns = {k: v for k, v in rest.items() if v.shape == x.shape[:1] and k not in (*labels, *ID_KEYS)}
    unused = [k for k in rest if k not in (*columns, *labels, *ID_KEYS)]
    notes = [f"samples are {keys[0]!r}" + "".join(f", labels are {k!r}" for k in labels)]
    notes += [f"not used: {', '.join(unused)}"] if unused else []
    return Found(x, rest[labels[0]] if labels else None, ids, None, columns, tuple(notes))


def _parts(path: Path, arrays: Mapping[str, Array], parts: Mapping[str, str]) -> Found:
    """Returns arrays that are kept by part, as ``x_train`` and ``x_test``, in one."""
    found = {}
    for key, part in parts.items():
        near = [k for k in arrays if k not in parts and k in {f"{y}_{part}" for y in Y_KEYS} | {f"{part}_{y}" for y in
                Y_KEYS}]
        found[part] = Found(arrays[key], arrays[near[0]] if near else None)
    return _joined(str(path), found)


def _joined(source: str, parts: Mapping[str, Found]) -> Found:
    """Returns the parts of a source in one; test and validation parts are held out."""
    shapes = {part: f.x.shape[1:] for part, f in parts.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{source} has parts of different shapes: {shapes}")
    out = [part for part in parts if part in HELD_OUT]
    labelled = all(f.y is not None for f in parts.values())
    note = f"{' and '.join(parts)} are read as one" + (f"; {' and '.join(out)} held out" if out else "")
    return Found(
        np.concatenate([f.x for f in parts.values()]),
        np.concatenate([f.y.reshape(len(f.x)) for f in parts.values() if f.y is not None]) if labelled else None,
        [i for part, f in parts.items() for i in row_ids(len(f.x), f"{part}/")],
        np.concatenate([np.full(len(f.x), part in HELD_OUT) for part, f in parts.items()]) if out else None,
        notes=(note,),
    )


def _idx_file(path: Path) -> Found:
    """Reads an idx file of images with the labels beside it."""
    x, beside = read_idx(path), partner(path)
    if x.ndim == 1:
        raise DataError(f"{path} holds {len(x):,} labels; give the file of images beside it")
    y = None if beside is None else read_idx(beside)
    if y is not None and len(y) != len(x):
        raise DataError(f"{path} holds {len(x):,} images and {beside} holds {len(y):,} labels; expected as many")
    note = "no file of labels beside the images" if beside is None else f"labels are read from {beside.name}"
    return Found(x, y, notes=(note,))


def _idx_folder(folder: Path) -> Found:
    """Reads the idx files of a folder: one pair, or MNIST's train and t10k."""
    found = {pair.prefix: _idx_file(pair.images) for pair in pairs(folder)}
    if len(found) == 1:
        (only,) = found.values()
        return only
    if not set(found) <= {"train", *HELD_OUT}:
        raise DataError(f"{folder} holds {len(found)} data sets: {', '.join(found)}; give one file of images")
    return _joined(str(folder), {p: found[p] for p in sorted(found, key="train".__ne__)})


def _check_magic(path: Path, magic: bytes, what: str) -> None:
    with path.open("rb") as file:
        begins = file.read(len(magic))
    if begins != magic:
        raise DataError(f"{path} is not {what}: it begins with {begins!r}")


def _native(x: Array, source: str) -> Array:
    if not isinstance(x, np.ndarray):  # another file in the archive that an .npz file is
        raise DataError(f"{source} is no array; save numbers or strings")
    if x.dtype.kind == "O":
        raise DataError(f"{source} holds pickled objects, which are never loaded; save numbers or strings")
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def _unreadable(path: Path, error: Exception) -> DataError:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        return DataError(f"{path} holds pickled objects, which are never loaded; save numbers or strings")
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path} is damaged or truncated ({first}); save or fetch it again")
