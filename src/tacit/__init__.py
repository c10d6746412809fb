"""tacit learns what nobody labelled.

Example:
    >>> import tacit
    >>> run = tacit.fit("pca", "digits", latent=2)  # doctest: +SKIP
    >>> tacit.load("runs/0001-pca-digits").sample(64)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tacit.data.dataset import Data
    from tacit.errors import (
        CapabilityError,
        DataError,
        Interrupted,
        MissingExtra,
        OptionError,
        RunError,
        TacitError,
        TrainingError,
        UserError,
    )
    from tacit.evaluation.compare import compare
    from tacit.evaluation.evaluate import evaluate
    from tacit.protocol import Batch, Chain, Fitted, Frozen, Loss, Method, Optim, Recipe, Spec, Trained
    from tacit.runs.fitting import fit, resume
    from tacit.runs.loading import load
    from tacit.runs.opening import open_data
    from tacit.runs.run import Run

__all__ = [
    "Batch",
    "CapabilityError",
    "Chain",
    "Data",
    "DataError",
    "Fitted",
    "Frozen",
    "Interrupted",
    "Loss",
    "Method",
    "MissingExtra",
    "Optim",
    "OptionError",
    "Recipe",
    "Run",
    "RunError",
    "Spec",
    "TacitError",
    "Trained",
    "TrainingError",
    "UserError",
    "compare",
    "evaluate",
    "fit",
    "load",
    "open_data",
    "resume",
]

HOMES = {
    "Data": "tacit.data.dataset",
    "Run": "tacit.runs.run",
    "compare": "tacit.evaluation.compare",
    "evaluate": "tacit.evaluation.evaluate",
    "fit": "tacit.runs.fitting",
    "load": "tacit.runs.loading",
    "open_data": "tacit.runs.opening",
    "resume": "tacit.runs.fitting",
} | dict.fromkeys(
    ("Batch", "Chain", "Fitted", "Frozen", "Loss", "Method", "Optim", "Recipe", "Spec", "Trained"), "tacit.protocol"
)


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for, so that ``import tacit`` does without torch (PEP 562)."""
    if name == "__version__":
        from importlib import metadata

        return metadata.version("tacit")
    if name not in __all__:
        raise AttributeError(f"module 'tacit' has no attribute {name!r}")
    found = getattr(importlib.import_module(HOMES.get(name, "tacit.errors")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Lists the public names."""
    return sorted([*globals(), *__all__])
