"""``tacit translate RUN [DATA]``: carries images over to the other domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from tacit.cli.asking import ask, opened
from tacit.cli.options import Option
from tacit.cli.output import Say, place
from tacit.cli.parser import Call, Usage
from tacit.errors import DataError, OptionError, RunError

if TYPE_CHECKING:
    from torch import Tensor

    from tacit.data.folders import Place
    from tacit.runs.run import Run

__all__ = ["run", "usage"]

OPTIONS = (
    Option("to", Literal["target", "source"] | None, None, "Which way, of two domains; by default to the target.",
           "images"),
    Option("derive", bool, False, "Takes the images for what the run makes, and first derives of them what it takes, "
           "as its training did.", "images"),
    Option("number", int, 16, "How many of the run's own images are shown, where no others are named.", "images", "n"),
)
QUALITY: Mapping[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Carries images over to the other domain: colours, enlarges, or whatever the run has learned. Every\n" \
            "image of a folder or archive keeps its name and its size, or grows as the run enlarges; -o names the\n" \
            "folder that they are written to. Without DATA some of the run's own held-out images are shown."
    return ask("translate", about, "Translates", words, options=OPTIONS)


def run(call: Call, say: Say) -> None:
    """Writes translations and says where they are."""
    asked = opened(call, "Translates")
    if asked.spec.kind != "image":
        raise DataError(f"{asked.path} takes {asked.spec}; tacit translates images")
    if "DATA" not in call.places and (call["to"] or call["derive"]):
        raise OptionError(f"--{'to' if call['to'] else 'derive'} is for DATA; of the run's own images both ways are "
                          "shown, as training saw them")
    if call["derive"] and "derive" not in asked.root.record.data:
        raise OptionError(f"--derive does again what training did, and {asked.path} was not fitted with --derive")
    if call["to"] is not None and "target" not in asked.method.needs:
        raise OptionError(f"--to {call['to']} chooses between two domains; {asked.method_name} learned one way only")
    for path in others(asked, call, say) if "DATA" in call.places else own(asked, call):
        say(f"wrote {path}")


def own(asked: Run, call: Call) -> Iterator[Path]:
    """Draws some held-out images above their translations."""
    if call["number"] < 1:
        raise OptionError(f"--number takes a whole number from 1; it was given {call['number']}")
    from tacit.pictures.grid import save
    from tacit.runs.counterparts import shown_both_ways

    path = place(call["out"], asked.path / "samples", "translations", ".png", overwrite=call["overwrite"])
    yield save(shown_both_ways(asked.translate, asked.data(), call["number"], 0), path)


def others(asked: Run, call: Call, say: Say) -> Iterator[Path]:
    """Translates each image of a folder, an archive or a file, and skips by name what cannot be read."""
    from tacit.data.images import IMAGE_SUFFIXES, quiet
    from tacit.data.progress import progress
    from tacit.data.resident import is_image
    from tacit.errors import UserError
    from tacit.runs.tiling import at_size, translated

    source = named(call.places["DATA"])
    entries = [entry for entry in source.entries() if is_image(entry.id)]
    if not entries:
        raise DataError(f"{source.path} holds no images ({' '.join(IMAGE_SUFFIXES)})")
    folder = target(call, source, asked)
    skipped = [f"{lost.name}: {lost.reason}" for lost in source.skipped]
    made, rescaled, losses = 0, [], Counter[str]()
    with quiet(), progress("translating", len(entries), say) as advance:
        for batch in source.batches(entries):
            for opener in batch:
                name = entries[opener.position].id
                try:
                    with opener.open() as file:
                        x, lost = image(file, asked, derive=call["derive"])
                    losses.update(lost)
                    write(translated(asked, x, to=call["to"]), written_as(folder, name))
                    made += 1
                    if (size := at_size(asked, x.shape)) is not None:
                        rescaled.append(f"{name} at {size[1]} x {size[0]}")
                except (UserError, OSError) as error:
                    skipped.append(f"{name}: {error}")
                advance(1)
    if rescaled:
        say(f"translated at another size and brought back: {len(rescaled):,} images, as {rescaled[0]}")
    for what, count in losses.items():
        say(f"{what}: {count:,} images")
    for line in skipped:
        say(f"skipped: {line}")
    if not made:
        raise DataError(f"none of the {len(entries):,} images of {source.path} could be translated")
    say(f"translated: {made:,} of {len(entries):,} images")
    yield folder


def named(path: str) -> Place:
    """Returns the files that a path names.

    Raises:
        DataError: If there are none.
    """
    from tacit.data.archives import place_at

    where = Path(path).expanduser()
    if not where.exists():
        raise DataError(f"there is no {path}; tacit translates an image, a folder or an archive of images")
    return place_at(where)


def target(call: Call, source: Place, asked: Run) -> Path:
    """Returns the folder that translations go to, which is new, or may be written into.

    Raises:
        RunError: If it holds files already, or is the source itself.
    """
    folder = Path(call["out"]) if call["out"] else asked.path / "samples" / f"{source.path.stem or 'images'}-translated"
    if folder.is_file():
        raise RunError(f"{folder} is a file; -o names a folder, in which every image keeps its name")
    if folder.resolve() in (source.path.resolve(), source.path.resolve().parent) and (
        source.path.is_dir() or source.folder is not None
    ):
        raise RunError(f"{folder} holds the images themselves; -o names another folder")
    if folder.is_dir() and any(folder.iterdir()) and not call["overwrite"]:
        raise RunError(f"{folder} holds files already; --overwrite writes among them, another -o leaves them")
    return folder


def written_as(folder: Path, name: str) -> Path:
    """Returns where a translation goes: under the image's own name, but for GIF, which has too few colours."""
    return folder / (f"{name}.png" if name.lower().endswith(".gif") else name)


def image(file: BinaryIO, asked: Run, *, derive: bool) -> tuple[Tensor, list[str]]:
    """Reads an image in its own size and in the channels that the run takes; says what of it is not kept.

    Arguments:
        file: Its bytes.
        asked: The run.
        derive: Whether it is what the run makes, of which what it takes is derived first.

    Returns:
        In [0, 1], shape (C, H, W); and what is lost, in words.
    """
    import torch

    from tacit.data.derive import Derivation
    from tacit.data.images import Target, decode, read_header

    header = read_header(file)
    file.seek(0)
    channels = asked.spec.pair[0] if derive else asked.spec.shape[0]
    x = torch.from_numpy(decode(file, Target(header.height, header.width, channels)).copy())  # (C, H, W)
    if derive:
        derivation = Derivation.parse(asked.root.record.data["derive"])
        height, width = (side // derivation.multiple * derivation.multiple for side in x.shape[1:])
        x = x[:, :height, :width]
        derivation.check(x[None], "the image")
        x = derivation(x[None])[0]
    lost = {"seen over white, without their transparency": "alpha" in header.mode,
            "read in their first frame only": header.frames,
            "read as grey": x.shape[0] == 1 and not header.grey and not derive,
            "read at 8 bits": header.deep}
    return x.float() / 255, [what for what, yes in lost.items() if yes]


def write(x: Tensor, path: Path) -> None:
    """Writes an image, (C, H, W) in [0, 1], in the format that its name ends with; JPEG at quality 95."""
    from PIL import Image

    from tacit.files import written_whole

    pixels = x.mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()  # (H, W, C)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    kind = Image.registered_extensions()[path.suffix.lower()]
    with written_whole(path) as temporary:
        picture.save(temporary, format=kind, **QUALITY.get(kind, {}))
