"""A generator and a discriminator of numbers at play: densities, D(x), and where each z goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor

from tacit.files import written_whole
from tacit.pictures.theme import ACCENT, DPI, GREY, INK, LOOK, SECOND, dress, headline, page

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.quiver import Quiver

__all__ = ["Frame", "Scene", "animation", "still"]

WIDTH, HEIGHT = 1400, 1040  # pixels
LEFT, RIGHT = 120, 110  # margins of both panels
SMALL = 0.6  # of these sizes, in an animation
PAUSE, LAST = 110, 3_000  # milliseconds that a frame, and the last one, are shown
SIGHT = 3.0  # how far the axis of z goes to either side
SEEN = 0.01  # of the greatest density of the data, below which the best D has too little to go by
COLOURS = 32  # of an animation


@dataclass(frozen=True)
class Scene:
    """What stays the same while a game goes on.

    Arguments:
        places: Where on the axis of x everything is measured, rising, shape (M,).
        data: The data's density there, shape (M,).
        latents: What the axis of z is, in words.
        arrows: How many there are, A.
        odds: Whether D(x) is a probability, so that there is a best one to compare it with, and not a score alone.
    """

    places: Tensor
    data: Tensor
    latents: str
    arrows: int
    odds: bool = True


@dataclass(frozen=True)
class Frame:
    """A game after some step.

    Arguments:
        step: Which.
        made: The generator's density at the scene's places, shape (M,).
        judged: D(x) there, in [0, 1], shape (M,); a score lies between 0 for its least and 1 for its greatest value.
        z: Where arrows begin on the axis of z, shape (A,).
        x: Where they end, shape (A,).
    """

    step: int
    made: Tensor
    judged: Tensor
    z: Tensor
    x: Tensor


def still(scene: Scene, frame: Frame, path: str | Path, *, title: str) -> Path:
    """Draws a game after some step, after figure 1 of Goodfellow et al. 2014 (arXiv:1406.2661).

    Arguments:
        scene: What stays the same.
        frame: The game.
        path: Where to write a PNG.
        title: Headline.
    """
    with page(path, WIDTH, HEIGHT) as figure:
        Board(figure, scene, title, peak=float(frame.made.max())).show(frame)
    return Path(path)


def animation(scene: Scene, frames: Sequence[Frame], path: str | Path, *, title: str) -> Path:
    """Draws a game from its first frame to its last, which is held, on axes that stay as they are.

    Arguments:
        scene: What stays the same.
        frames: The game, at least one frame.
        path: Where to write a GIF.
        title: Headline.
    """
    images = rendered(scene, frames, title)
    palette = images[-1].quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    first, *others = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    pauses = [PAUSE] * len(others) + [LAST]
    with written_whole(path) as temporary:
        first.save(temporary, format="gif", save_all=True, append_images=others, duration=pauses, loop=0)
    return Path(path)


def rendered(scene: Scene, frames: Sequence[Frame], title: str) -> list[Image.Image]:
    """Returns an image of each frame; what stays the same is drawn once."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=SMALL * DPI)
        canvas: Any = FigureCanvasAgg(figure)  # some of its calls are untyped
        board = Board(figure, scene, title, peak=float(frames[-1].made.max()))
        for artist in board.moving:
            artist.set_animated(True)  # left out of what is drawn now
        canvas.draw()
        ground = canvas.copy_from_bbox(figure.bbox)
        images = []
        for frame in frames:
            canvas.restore_region(ground)
            board.show(frame)
            for artist in board.moving:
                figure.draw_artist(artist)
            images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    return images


class Board:
    """A page with the densities and D above, and the arrows from z to x below.

    Arguments:
        figure: The page.
        scene: What stays the same.
        title: Headline.
        peak: Greatest density of the generator that has to be seen.
    """

    def __init__(self, figure: Figure, scene: Scene, title: str, peak: float = 0.0) -> None:
        self.scene, self.figure, self.peak = scene, figure, peak
        self.low, self.high = float(scene.places[0]), float(scene.places[-1])
        headline(figure, title, self.words(10**6))
        self.subtitle = figure.texts[-1]
        wide = (WIDTH - LEFT - RIGHT) / WIDTH
        above = figure.add_axes((LEFT / WIDTH, 420 / HEIGHT, wide, 420 / HEIGHT))
        self.made = self.densities(above)
        self.best, self.judged = self.judgement(above.twinx())
        self.arrows = self.ways(figure.add_axes((LEFT / WIDTH, 110 / HEIGHT, wide, 230 / HEIGHT)))
        lines = [*above.get_legend_handles_labels()[0], self.judged, *([self.best] if scene.odds else [])]
        figure.legend(
            handles=lines, loc="upper left", ncols=4, fontsize=9, borderaxespad=0, columnspacing=1.8, borderpad=0,
            bbox_to_anchor=(48 / WIDTH, 1 - 128 / HEIGHT),
        )  # fmt: skip
        self.moving: tuple[Artist, ...] = (self.made, self.best, self.judged, self.arrows, self.subtitle)

    def words(self, step: int) -> str:
        """Returns the line below the title."""
        return f"after step {step:,}; {self.scene.latents}"

    def densities(self, axes: Axes) -> Line2D:
        """Draws the data's density, and returns the line of the generator's."""
        dress(axes, "x", "density")
        axes.fill_between(self.scene.places, self.scene.data, color="#c9ced6", linewidth=0, label="data")
        axes.set_xlim(self.low, self.high)
        axes.set_ylim(0, max(1.7 * float(self.scene.data.max()), 1.1 * self.peak))
        return axes.plot([], [], color=SECOND, linewidth=1.8, label="generator")[0]

    def judgement(self, axes: Axes) -> tuple[Line2D, Line2D]:
        """Draws an axis from 0 to 1 at the right, and returns the lines of the best D and of D."""
        axes.set_ylim(0, 1.02)
        if self.scene.odds:
            axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=(0, (2, 3)))
            axes.set_yticks([0, 0.5, 1], ["0", "1/2", "1"], color=ACCENT)
        else:
            axes.set_yticks([0, 1], ["least", "most"], color=ACCENT)
        axes.set_ylabel("D(x)", color=ACCENT)
        axes.tick_params(length=0, pad=5)
        axes.spines[:].set_visible(False)
        (best,) = axes.plot([], [], color=INK, linewidth=1, alpha=0.5, linestyle=(0, (5, 3)),
                            label="best D = data / (data + generator)")  # fmt: skip
        (judged,) = axes.plot([], [], color=ACCENT, linewidth=1.8, label="D(x)")
        return best, judged

    def ways(self, axes: Axes) -> Quiver:
        """Draws the axis of z below and that of x above it, and returns the arrows between them."""
        axes.set_xlim(self.low, self.high)
        axes.set_ylim(0, 1)
        axes.axhline(1, color=GREY, linewidth=1.2, clip_on=False)
        axes.set_xticks([self.place(mark) for mark in (-2, -1, 0, 1, 2)])
        axes.xaxis.set_major_formatter(lambda place, _: f"{self.origin(place):.0f}".replace("-", "\N{MINUS SIGN}"))
        axes.set_yticks([])
        axes.tick_params(length=0, pad=5)
        axes.set_xlabel("z")
        axes.spines["left"].set_visible(False)
        nowhere = np.zeros(self.scene.arrows)
        return axes.quiver(
            nowhere, nowhere, nowhere, nowhere, color=SECOND, alpha=0.7, angles="xy", scale_units="xy", scale=1,
            units="dots", width=0.009 * self.figure.dpi, headwidth=6, headlength=8, headaxislength=7,
        )  # fmt: skip

    def place(self, z: Any) -> Any:
        """Returns where on the axis of x a z stands."""
        return self.low + (z / SIGHT + 1) / 2 * (self.high - self.low)

    def origin(self, place: float) -> float:
        """Returns the z that stands at a place on the axis of x."""
        return SIGHT * (2 * (place - self.low) / (self.high - self.low) - 1)

    def show(self, frame: Frame) -> None:
        """Shows a frame."""
        scene = self.scene
        if scene.odds:
            both = scene.data + frame.made
            best = (scene.data / both).where(both > SEEN * scene.data.max(), float("nan"))
            self.best.set_data(scene.places, best)
        self.made.set_data(scene.places, frame.made)
        self.judged.set_data(scene.places, frame.judged)
        begin = self.place(frame.z).numpy()
        self.arrows.set_offsets(np.stack([begin, np.zeros(len(begin))], 1))
        self.arrows.XY = self.arrows.get_offsets()
        self.arrows.set_UVC(frame.x.numpy() - begin, np.ones(len(begin)))
        self.subtitle.set_text(self.words(frame.step))
