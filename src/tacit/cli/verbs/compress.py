"""``tacit compress RUN [DATA]``: samples as a small file that decodes back exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tacit.cli.asking import OUT, SHARED, asked_data, loaded
from tacit.cli.config import method_of
from tacit.cli.options import Option
from tacit.cli.output import Say, aligned, place
from tacit.cli.parser import Call, Usage

if TYPE_CHECKING:
    from tacit.data.dataset import Data
    from tacit.runs.compressing import Rate
    from tacit.runs.run import Run

__all__ = ["run", "usage"]

SUFFIX = ".tacit"
STEPS = (2.0, 1.0, 0.5, 0.25, 0.125, 0.0625)
OPTIONS = (
    Option("step", float, 0.25, "Of rounded latents, in standard deviations of each.", "samples"),
    Option("curve", bool, False, "Draws rate against distortion for several steps into the run's pictures.", "samples"),
)


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Compresses samples: their codes are entropy-coded, latents are rounded first. Held-out samples are\n" \
            "taken, or all of DATA. 'tacit decompress' gives back exactly what the run makes of codes or rounded\n" \
            "latents. A run that was fitted on codes and predicts each from those before needs less; that is\n" \
            "slow, and such a file is decoded only on the same machine and build."
    if words and not words[0].startswith("-"):
        method_of(words[0])  # no run is an error that needs no torch
    return Usage("compress", about, ("RUN", "[DATA]"), (*OPTIONS, OUT, *SHARED), words=tuple(words))


def run(call: Call, say: Say) -> None:
    """Writes the compressed file, and says what it costs and what is lost."""
    from tacit.runs.compressing import compress, way_of, write

    asked = loaded(call.places["RUN"], call)
    way = way_of(asked)
    data = asked_data(asked, call, say)
    if "DATA" not in call.places and len(data.testing):
        data = data.take(data.testing)
    packed, rate = compress(asked, data, step=call["step"])
    path = place(call["out"], asked.path / "samples", "compressed", SUFFIX, overwrite=call["overwrite"])
    size = write(packed, path)
    say(f"{len(data):,} samples as {way}, {rate.values // len(data):,} values each")
    say(f"rate: {rate.bits:.4f} bits per value, {rate.stream // 8:,} bytes; ideal {rate.ideal / rate.values:.4f}; with "
        f"the model's table and the ids {size:,} bytes")
    say(f"distortion: {distortion(rate)}")
    say(f"wrote {path}")
    if call["curve"]:
        curve(asked, data, say)


def distortion(rate: Rate) -> str:
    """Returns in words what is lost."""
    ratio = "" if rate.peak is None else f", PSNR {rate.psnr:.2f} dB"
    return f"mean squared error {rate.error:.6g} per value{ratio}"


def curve(asked: Run, data: Data, say: Say) -> None:
    """Says and draws rate and distortion: for several steps of latents, or the one point of codes."""
    from tacit.pictures.rates import rate_distortion
    from tacit.runs.compressing import compress, way_of

    latents = way_of(asked) == "latents"
    steps = STEPS if latents else STEPS[:1]
    rates = [compress(asked, data, step=step)[1] for step in steps]
    labels = [f"step {step:g}" if latents else "codes" for step in steps]
    rows = [[label, f"{r.bits:.4f}", distortion(r)] for label, r in zip(labels, rates, strict=True)]
    for line in aligned([["", "bits per value", "distortion"], *rows]):
        say(line)
    ranged = rates[0].peak is not None
    points = [(r.bits, r.psnr if ranged else r.error) for r in rates]
    path = rate_distortion(points, asked.path / "pictures" / "rate-distortion.png", labels=labels,
                           title=f"What {asked.title} costs and keeps",
                           ylabel="PSNR in dB" if ranged else "mean squared error")
    say(f"wrote {path}")
