"""``tacit decode RUN LATENTS``: makes samples of latents."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tacit.cli.asking import ask, opened, write_samples
from tacit.cli.options import Option
from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage
from tacit.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["run", "usage"]

OPTIONS = (Option("each", bool, False, "Writes each image to a file of its own, too.", "samples"),)


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    about = "Makes samples of latents, such as 'tacit encode' writes."
    return ask("decode", about, "Decodes", words, places=("RUN", "LATENTS"), options=OPTIONS)


def run(call: Call, say: Say) -> None:
    """Writes the samples that latents stand for and says where they are."""
    z = latents(call.places["LATENTS"])
    asked = opened(call, "Decodes")
    try:
        made = asked.decode(z)
    except (RuntimeError, IndexError) as error:  # a net speaks of its own layers
        if "memory" in str(error):
            raise
        raise DataError(f"{call.places['LATENTS']} holds latents of shape {tuple(z.shape[1:])}, which are not those of "
                        f"{asked.path}; 'tacit encode {asked.path}' writes some that are") from error
    paths = write_samples(asked, made, "decoded", call, each=call["each"])
    say(f"samples of {call.places['LATENTS']}: {len(made):,}")
    for path in paths:
        say(f"wrote {path}")


def latents(path: str) -> Tensor:
    """Reads latents, shape (N, ...), from an .npy file, or from ``z`` or the only array of an .npz file.

    Raises:
        DataError: If there are none.
    """
    import numpy as np
    import torch

    try:
        with open(path, "rb") as file:
            held = np.load(file, allow_pickle=False)
            named = {"z": held} if isinstance(held, np.ndarray) else {name: held[name] for name in held.files}
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} holds no arrays; 'tacit encode' writes latents as .npz") from error
    z = named.get("z", next(iter(named.values())) if len(named) == 1 else None)
    if not isinstance(z, np.ndarray) or z.ndim < 2 or not len(z) or z.dtype.kind not in "fiu":
        found = ", ".join(f"{name} {getattr(v, 'dtype', 'no array')} {np.shape(v)}" for name, v in named.items())
        raise DataError(f"{path} holds {found or 'nothing'}; expected latents 'z' of shape (N, ...), which "
                        "'tacit encode' writes")
    return torch.as_tensor(z, dtype=torch.float32)
