"""What the map of a study's page draws: places, colours and thumbnails of the shown samples, written compactly."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from markupsafe import Markup
from torch import Tensor

from tacit.data.dataset import Data
from tacit.pictures.theme import palette
from tacit.report.media import atlas, column_names, rows
from tacit.study.result import StudyResult

__all__ = ["as_script", "payload"]

Array = np.ndarray[Any, Any]

ATLAS = 6_000_000  # bytes of the thumbnails
WIDE = 60  # columns of a row that are shown beside the map
NOWHERE = 2**16 - 1  # in place of a coordinate that is not finite
MOST = 30  # words of a colouring that have a colour of their own
GREY = ("#b4b7bd", "#5c626c")  # on light and on dark paper
TICKS = 24  # colours of a scale
PLAIN = 0.18  # luminance that a colour has at least on dark paper


class Coded(str):
    """Bytes as text, in which there is nothing to clean."""

    __slots__ = ()


def payload(result: StudyResult, ids: Sequence[str], *, media: bool) -> dict[str, Any]:
    """Returns all that the page's script is told, as plain lists, words and numbers.

    Arguments:
        result: The study.
        ids: What each shown sample is called.
        media: Whether samples are shown: their thumbnails, or their rows.
    """
    shown = result.shown.data
    pictured = media and shown.spec.kind == "image"
    return {
        "ids": list(ids),
        "maps": [
            {"name": m.member, "title": result.member(m.member).title, "warning": m.warning, **places(m.places)}
            for m in result.maps
        ],
        "colourings": colourings(result),
        "scale": {"light": scale(0.0, 0.92), "dark": scale(0.22, 1.0)},
        "atlas": sheet(shown) if pictured else None,
        "columns": column_names(shown.spec)[:WIDE] if media else (),
        "rows": [row[:WIDE] for row in rows(shown.x, shown.spec)] if media else [],
    }


def sheet(shown: Data) -> dict[str, Any]:
    """Returns the thumbnails of the shown samples."""
    found = asdict(atlas(shown, ATLAS))
    return found | {"url": Coded(found["url"])}


def as_script(plain: Mapping[str, Any], clean: Callable[[str], str]) -> Markup:
    """Returns plain data as JSON that can stand inside a script element: no text in it can end the element."""
    text = json.dumps(cleaned(plain, clean), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028")):
        text = text.replace(sign, code)
    return Markup(text)


def cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """Returns plain data, each of whose texts was cleaned."""
    if isinstance(value, str):
        return value if isinstance(value, Coded) else clean(value)
    if isinstance(value, Mapping):
        return {key: cleaned(v, clean) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(v, clean) for v in value]
    return value


def places(where: Tensor) -> dict[str, Any]:
    """Returns a map's places between 0 and 65,534 of its greater extent, y downwards, as base64 of 16-bit numbers.

    A few far ones are moved to the edge, so that they do not shrink the rest.

    Arguments:
        where: Float (n, 2).
    """
    points = where.double().numpy().reshape(-1, 2) * [1, -1]
    sound = np.isfinite(points).all(1)
    low, high = np.quantile(points[sound], [0.001, 0.999], axis=0) if sound.any() else (np.zeros(2), np.ones(2))
    margin = 0.03 * (high - low).max()
    low, high = low - margin, high + margin
    extent = float((high - low).max()) or 1.0
    unit = (np.clip(np.where(sound[:, None], points, low), low, high) - low) / extent
    codes = np.where(sound[:, None], np.rint(unit * (NOWHERE - 1)), NOWHERE).astype("<u2")
    width, height = ((high - low) / extent).round(5).tolist()
    return {"x": packed(codes[:, 0]), "y": packed(codes[:, 1]), "width": width, "height": height}


def packed(values: Array) -> Coded:
    """Returns an array's bytes, least significant first, as base64."""
    return Coded(base64.b64encode(np.ascontiguousarray(values).tobytes()).decode())


def colourings(result: StudyResult) -> list[dict[str, Any]]:
    """Returns by what the shown samples can be coloured: clusters, strangeness, label, split, and every factor."""
    shown = result.shown
    found = [
        {"key": f"clusters:{c.member}", "title": f"clusters ({result.member(c.member).title})",
         **by_words(["in no cluster" if k < 0 else f"cluster {k}" for k in c.groups.tolist()], last="in no cluster")}
        for c in result.clusters
    ]
    found += [{"key": "label", "title": "label", **by_words(labels(shown.data, result.facts.data.spec.classes))}] \
        if shown.data.label is not None and shown.data.spec.classes else []
    found += [
        {"key": f"strangeness:{s.member}", "title": f"strangeness ({result.member(s.member).title})",
         **by_numbers(s.all_scores.double().numpy())}
        for s in result.strangest
    ]
    found.append({"key": "split", "title": "split",
                  **by_words(["held out" if h else "training" for h in shown.data.held_out.tolist()])})
    return found + [
        {"key": f"factor:{name}", "title": name, **by_factor(np.asarray(values))}
        for name, values in shown.factors.items() if len(np.unique(values.astype(str))) > 1
    ]


def labels(data: Data, names: Sequence[str]) -> list[str]:
    """Returns the name of each sample's class."""
    known = torch.zeros(len(data), dtype=torch.int64) if data.label is None else data.label
    return [names[k] if k >= 0 else "no label" for k in known.tolist()]


def by_factor(values: Array) -> dict[str, Any]:
    """Returns a colouring by numbers or by words."""
    if values.dtype.kind in "fiu":
        return by_numbers(values.astype(np.float64))
    return by_words([str(v) or "none" for v in values.tolist()])


def by_words(words: Sequence[str], last: str = "") -> dict[str, Any]:
    """Returns a colouring by words: rare ones share a grey.

    Arguments:
        words: Of each sample.
        last: The word that stands for none of the others, which is grey too.
    """
    counts = Counter(w for w in words if w != last)
    kept = sorted((w for w, _ in counts.most_common(MOST)), key=natural)
    rare = len(counts) - len(kept)
    names = kept + [f"{rare:,} others"] * (rare > 0) + [last] * (last in words)
    number = {w: i for i, w in enumerate(names)}
    codes = np.array([number.get(w, len(kept)) for w in words], "<u2")
    light = [*palette(len(kept)), *([GREY[0]] * (len(names) - len(kept)))]
    dark = [*map(lifted, palette(len(kept))), *([GREY[1]] * (len(names) - len(kept)))]
    return {"kind": "words", "names": names, "codes": packed(codes), "light": light, "dark": dark}


def natural(word: str) -> tuple[str, int, str]:
    """Returns a key by which ``cluster 10`` comes after ``cluster 9``.

    Example:
        >>> sorted(["cluster 10", "cluster 9", "b"], key=natural)
        ['b', 'cluster 9', 'cluster 10']
    """
    stem = word.rstrip("0123456789")
    return stem, int(word[len(stem):] or 0), word


def lifted(colour: str) -> str:
    """Returns a colour as it is seen on dark paper: mixed with white until it is bright enough.

    Example:
        >>> lifted("#332288"), lifted("#88ccee")
        ('#7c72b3', '#88ccee')
    """
    red, green, blue = (c / 255 for c in bytes.fromhex(colour[1:]))
    for white in np.arange(0, 1, 0.04):
        mixed = [c + white * (1 - c) for c in (red, green, blue)]
        bright = sum(w * c**2.2 for w, c in zip((0.2126, 0.7152, 0.0722), mixed, strict=True))
        if bright >= PLAIN:
            break
    return "#" + "".join(f"{round(255 * c):02x}" for c in mixed)


def by_numbers(values: Array) -> dict[str, Any]:
    """Returns a colouring by numbers; its scale ends where one in a hundred lies beyond."""
    sound = values[np.isfinite(values)]
    low, high = np.quantile(sound, [0.01, 0.99]) if len(sound) else (0.0, 1.0)
    if low == high and len(sound):
        low, high = sound.min(), sound.max()
    return {"kind": "numbers", "values": packed(values.astype("<f4")), "low": float(low), "high": float(high)}


def scale(begin: float, end: float) -> list[str]:
    """Returns the colours from small to great, which people with any colour vision order alike."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(c) for c in colormaps["viridis"](np.linspace(begin, end, TICKS))]
