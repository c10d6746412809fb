"""Pictures of a run: what it makes of its data, one for each capability. Asks for capabilities, never for names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tacit.data.coding import decode
from tacit.data.dataset import Data
from tacit.functional.draws import some
from tacit.functional.neighbours import nearest
from tacit.functional.shrinking import shrunk
from tacit.pictures import game, plots
from tacit.pictures.excited import excited, telling
from tacit.pictures.grid import grid, pairs, save
from tacit.pictures.maps import scatter_map
from tacit.pictures.nearest import beside_nearest
from tacit.pictures.traversals import traversals
from tacit.runs.balance import QUALITY
from tacit.runs.counterparts import shown_both_ways
from tacit.runs.frames import Stage, read_frames, watchable
from tacit.runs.log import read_lines
from tacit.runs.run import Run
from tacit.runs.traversing import traversal

__all__ = ["portrait"]

SHOWN = 64
MAPPED = 5_000
EXEMPLARS = 12
ROWS = 15
UNITS = 10
SEARCHED = 10_000  # training images among which a sample's nearest are looked for
COMPARED = 32  # side of images whose pixels are compared
TOGETHER = 256  # images that are made small at once
JUDGED = 12  # samples that are shown beside their nearest
NEIGHBOURS = 3
TRANSLATED = 12  # of each domain
HELD_OUT = {"held_out": "held_out/model/loss"}  # only a method with one player, the model, has one


def portrait(run: Run, data: Data, folder: Path, *, seed: int = 0) -> list[Path]:
    """Draws a run into a folder: samples, reconstructions, map, clusters, strangest samples, curves.

    Arguments:
        run: The run.
        data: Its root's data.
        folder: Where to.
        seed: Of samples, and of the draw where not all can be shown.

    Returns:
        The pictures drawn; none for what the run cannot do or the data cannot show.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [path for draw in DRAWINGS for path in draw(run, data, folder, seed)]


def typical(values: np.ndarray[Any, Any]) -> str:
    """Returns the median of numbers, or the commonest of words with its share."""
    if values.dtype.kind == "f":
        return f"{np.nanmedian(values):.4g}"
    words, counts = np.unique(values.astype(str), return_counts=True)
    return f"{words[counts.argmax()]} {counts.max() / counts.sum():.0%}"


def written(value: Any) -> str:
    """Returns a cell of a table: numbers no longer than they need be."""
    return f"{value + 0.0:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def held_out(data: Data) -> Tensor:
    """Returns the positions of held-out samples, or of all where none are held out."""
    return data.testing if len(data.testing) else torch.arange(len(data))


def draw_samples(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws new samples: a grid of images, or a density beside the data's."""
    if "Samples" not in run.capabilities:
        return
    if run.spec.kind == "image":
        yield save(grid(run.sample(SHOWN, seed=seed)), folder / "samples.png")
    elif run.spec.kind == "vector" and run.spec.size <= 2:
        real = data.batch(some(torch.arange(len(data)), MAPPED, seed)).x
        draw = plots.densities_1d if run.spec.size == 1 else plots.scatter_2d
        yield draw(real, run.sample(len(real), seed=seed), folder / "samples.png")


def draw_game(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws a game of numbers as it ended, and as it went."""
    if not watchable(run.chain):
        return
    stage, title = Stage(run.chain, data, seed=seed), f"{run.title} on {data.name}"
    step = run.record.steps or 0
    last = stage.frame(step)
    yield game.still(stage.scene, last, folder / "game.png", title=title)
    if before := read_frames(run.path / "samples", before=step):
        yield game.animation(stage.scene, [*before, last], folder / "game.gif", title=title)


def draw_nearest(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws samples beside the training images nearest to them, with what is usual of images never seen."""
    if "Samples" not in run.capabilities or run.spec.kind != "image" or len(data.training) <= NEIGHBOURS:
        return
    searched = some(data.training, SEARCHED, seed)
    places = thumbnails(data, searched)
    made = run.sample(JUDGED, seed=seed)
    distance, index = nearest(small(made), places, NEIGHBOURS)
    near = data.batch(searched[index.flatten()]).x.unflatten(0, index.shape)  # (n, k, C, H, W)
    subtitle = f"Euclidean distance of pixels in [0, 1] to {len(searched):,} training images"
    if len(data.testing):
        held = thumbnails(data, some(data.testing, SHOWN, seed))
        usual = float(nearest(held, places, 1)[0].median())
        subtitle += f"; of held-out images it is {usual:.2f} to the nearest (median)"
    yield beside_nearest(made, near, distance, folder / "nearest.png",
                         title=f"Samples of {run.title} and their nearest data", subtitle=subtitle)


def thumbnails(data: Data, positions: Tensor) -> Tensor:
    """Returns images at some positions as they are compared, shape (N, D)."""
    return torch.cat([small(data.batch(part).x) for part in positions.split(TOGETHER)])


def small(images: Tensor) -> Tensor:
    """Returns pixels averaged to at most 32 x 32, as vectors, shape (N, D)."""
    return shrunk(images, COMPARED).flatten(1)


def draw_translations(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws held-out images and what they are translated to; beside them their partners, or the way back."""
    if "Translates" not in run.capabilities or run.spec.kind != "image":
        return
    yield save(shown_both_ways(run.translate, data, TRANSLATED, seed), folder / "translations.png")


def draw_reconstructions(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws held-out images above their reconstructions."""
    if "Reconstructs" not in run.capabilities or run.spec.kind != "image":
        return
    shown = data.take(some(held_out(data), SHOWN // 2, seed))
    picture = pairs(shown.everything(), run.reconstruct(shown), names=("data", "restored"))
    yield save(picture, folder / "reconstructions.png")


def draw_map(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws a map, with thumbnails where the samples are images, coloured by label where there are labels."""
    if "Embeds" not in run.capabilities:
        return
    shown = data.take(some(torch.arange(len(data)), MAPPED, seed))
    yield scatter_map(
        run.embed(shown), folder / "map.png", labels=shown.label, names=data.spec.classes or None,
        thumbnails=shown.everything() if run.spec.kind == "image" else None, title=f"{data.name} by {run.title}",
        subtitle=f"{len(shown):,} of {len(data):,} samples",
    )


def draw_clusters(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws each cluster's share, and a few of its images or what its rows have in common; of points, where it lies."""
    plane = run.spec.kind == "vector" and run.spec.size == 2
    if "Clusters" not in run.capabilities or not (plane or run.spec.kind in ("image", "table")):
        return
    shown = data.take(some(torch.arange(len(data)), MAPPED, seed))
    groups = run.assign(shown)
    members = {k: (groups == k).nonzero().flatten() for k in groups.unique().tolist()}
    names = {k: f"{f'cluster {k}' if k >= 0 else 'none'}: {len(m) / len(groups):.1%}" for k, m in members.items()}
    head = f"Clusters of {data.name} by {run.title}"
    if plane:
        yield scatter_map(shown.everything(), folder / "clusters.png", labels=groups, title=head)
    elif run.spec.kind == "image":
        rows = [(names[k], shown.batch(some(m, EXEMPLARS, seed)).x) for k, m in members.items()]
        yield plots.exemplars(rows, folder / "clusters.png", title=head)
    else:
        table = decode(shown.everything(), run.spec)
        cells = [[name, *(typical(table[name][m.numpy()]) for m in members.values())] for name in table]
        yield plots.table(["typical", *names.values()], cells, folder / "clusters.png", title=head)


def draw_strangest(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws the strangest samples, strangest first, with their scores; of vectors, the histogram of scores."""
    if "Scores" not in run.capabilities:
        return
    shown = data.take(some(torch.arange(len(data)), MAPPED, seed))
    scores = run.score(shown)
    first = scores.argsort(descending=True)[: SHOWN // 2]
    head = f"Strangest of {data.name} by {run.title}"
    if run.spec.kind == "image":
        captions = [f"{scores[i]:.3g}" for i in first.tolist()]
        yield save(grid(shown.batch(first).x, captions=captions), folder / "strangest.png")
    elif run.spec.kind == "table":
        table = decode(shown.batch(first[:ROWS]).x, run.spec)
        shares = scores[first[:ROWS]].tolist()
        rows = [[f"{share:.3g}", *(written(table[c][r]) for c in table)] for r, share in enumerate(shares)]
        yield plots.table(["score", *table], rows, folder / "strangest.png", title=head)
    else:
        yield plots.histogram(scores, folder / "scores.png", title=f"How strange {data.name} is by {run.title}")


def draw_figures(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws what is peculiar to a method, where it is images.

    Those of shape (N, C, H, W) are a grid, where 0 is grey if some values are negative; samples in rows, of shape
    (rows, columns, C, H, W), stay as they are.
    """
    if "Illustrates" not in run.capabilities or run.method.spec.kind != "image":
        return
    for name, images in run.figures().items():
        if images.dim() == 5:
            yield plots.exemplars([(f"{i}", row) for i, row in enumerate(images)], folder / f"{name}.png",
                                  title=f"{name.replace('-', ' ').capitalize()} of {run.title}",
                                  subtitle=getattr(run.method, "captions", {}).get(name, ""),
                                  left=90)
            continue
        least, most = images.amin((1, 2, 3), keepdim=True), images.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
        shown = images / most if least.min() >= 0 else 0.5 + images / (2 * most)
        yield save(grid(shown[:SHOWN]), folder / f"{name}.png")


def draw_traversals(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws what each dimension of a code does to images, those that carry most first."""
    if run.spec.kind != "image":
        return
    found = traversal(run, data, seed=seed)
    if found is not None:
        more = f"; {found.hidden} dimensions are not shown" if found.hidden else ""
        yield traversals(
            found.samples, found.captions, found.grey, folder / "traversals.png",
            title=f"Dimensions of {run.title} on {data.name}", subtitle=found.about + more,
        )


def draw_excited(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws the images that excite units most, where there are more units than a code of few dimensions has."""
    if run.spec.kind != "image" or not {"Encodes", "Illustrates"} <= run.capabilities:
        return
    shown = data.take(some(torch.arange(len(data)), MAPPED, seed))
    z = run.encode(shown)
    if z.dim() != 2:
        return
    rows = excited(z, shown.everything(), telling(z, UNITS), EXEMPLARS)
    yield plots.exemplars(rows, folder / "units.png", title=f"What excites units of {run.title}",
                          subtitle=f"{len(rows)} of {z.shape[1]} units, {len(shown):,} images of {data.name}")


def draw_curves(run: Run, data: Data, folder: Path, seed: int) -> Iterator[Path]:
    """Draws everything that training logged."""
    lines = [{HELD_OUT.get(k, k): v for k, v in line.items()} for line in read_lines(run.path / "metrics.jsonl")]
    if len(lines) > 1:
        lines += [{k if k == "step" else f"features/{k}": v for k, v in line.items()}
                  for line in read_lines(run.path / "health.jsonl")]
        lines += [{"step": line["step"], **{f"samples/{k}": line[k] for k in QUALITY if k in line}}
                  for line in read_lines(run.path / "balance.jsonl")]
        yield plots.curves(lines, folder / "curves.png", title=f"{run.title} on {data.name}")


DRAWINGS: tuple[Callable[[Run, Data, Path, int], Iterator[Path]], ...] = (
    draw_samples,
    draw_nearest,
    draw_game,
    draw_translations,
    draw_reconstructions,
    draw_map,
    draw_clusters,
    draw_strangest,
    draw_figures,
    draw_traversals,
    draw_excited,
    draw_curves,
)
