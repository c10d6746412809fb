"""Methods in a row: a child fitted on what its parents make of the data takes and gives the root's samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn

from tacit.errors import CapabilityError
from tacit.protocol.capabilities import CALLS, Bound
from tacit.protocol.method import Method
from tacit.protocol.spec import Spec

__all__ = ["Bridge", "Chain", "Via", "capabilities"]

Via = Literal["encode", "tokenize", "embed"]


class Bridge(nn.Module):
    """How a parent's output becomes its child's data.

    Latents are moved to mean 0 and zoomed to an overall standard deviation of 1: one mean for each dimension of a
    vector or channel of a map, but a single scale, so that the geometry which the parent chose is kept. Codes pass
    unchanged.

    Arguments:
        via: The parent's call.
        spec: What the child sees.
        layer: Layer of the parent, where it has layers.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, via: Via, spec: Spec, layer: str | None = None) -> None:
        super().__init__()
        self.via, self.spec, self.layer = via, spec, layer
        places = spec.shape[:1] + (1,) * (len(spec.shape) - 1)  # (D,) or (C, 1, 1)
        self.register_buffer("mean", torch.zeros(places))
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def standardise(self, z: Tensor) -> None:
        """Takes mean and scale from latents of training samples, shape (N, *spec.shape)."""
        if self.via == "tokenize":
            return
        over = [0, *range(2, z.dim())]  # all but the dimension or channel
        mean = z.double().mean(over, keepdim=True)
        self.mean.copy_(mean[0])
        spread = (z - mean).square().mean().sqrt()
        self.scale.fill_(float(spread) or 1.0)

    def forward(self, z: Tensor) -> Tensor:
        """Returns what the child sees of a parent's output."""
        return z if self.via == "tokenize" else (z - self.mean) / self.scale

    def inverse(self, x: Tensor) -> Tensor:
        """Returns the parent's output of which the child saw `x`."""
        return x if self.via == "tokenize" else x * self.scale + self.mean


class Chain(nn.Module):
    """A method and the parents that its data pass through, root first.

    `encode`, `assign`, `classify`, `embed` and `anomaly_score` are child after parents; `decode`, `sample` and
    `reconstruct` go back through every parent. Which of them there are, `capabilities` says. Gradients flow through.

    Arguments:
        method: The last one.
        parents: Those before it, root first.
        bridges: One behind each parent.
    """

    def __init__(self, method: Method, parents: Sequence[Method] = (), bridges: Sequence[Bridge] = ()) -> None:
        super().__init__()
        self.parents = nn.ModuleList(parents)
        self.bridges = nn.ModuleList(bridges)
        self.method: Any = method
        self.spec: Spec = parents[0].spec if parents else method.spec

    def links(self) -> list[tuple[Any, Bridge]]:
        """Returns each parent with the bridge behind it, root first."""
        return [(p, b) for p, b in zip(self.parents, self.bridges, strict=True) if isinstance(b, Bridge)]

    def features(self, x: Tensor) -> Tensor:
        """Returns what the method sees of the root's samples."""
        for parent, bridge in self.links():
            x = bridge(produce(parent, bridge.via, x, bridge.layer))
        return x

    def restore(self, x: Tensor) -> Tensor:
        """Returns the root's samples of what the method saw or made."""
        for parent, bridge in reversed(self.links()):
            z = bridge.inverse(x)
            x = parent.detokenize(z) if bridge.via == "tokenize" else parent.decode(z)
        return x

    def check(self, capability: str, name: str | None = None) -> None:
        """Raises `CapabilityError` where the chain lacks a capability, with what it has.

        Arguments:
            capability: A key of `CALLS`.
            name: What to call the method.
        """
        able = capabilities(self)
        if capability in able:
            return
        name = name or type(self.method).__name__
        can = ", ".join(CALLS[c] for c in CALLS if c in able) or "nothing"
        why = " through its parents" if capability in capabilities(self.method) else ""
        raise CapabilityError(f"{name} cannot {CALLS[capability]}{why}; it can {can}")

    def _call(self, name: str) -> Any:
        """Returns the method's call, if all of the chain allows it."""
        self.check(next(c for c, call in CALLS.items() if call == name))
        return getattr(self.method, name)

    def encode(self, x: Tensor, **extra: Any) -> Tensor:
        """Returns float latents, shape (N, ...); a method may take ``layer`` or ``stochastic``."""
        result: Tensor = self._call("encode")(self.features(x), **extra)
        return result

    def tokenize(self, x: Tensor) -> Tensor:
        """Returns int64 codes, shape (N, ...)."""
        result: Tensor = self._call("tokenize")(self.features(x))
        return result

    def detokenize(self, c: Tensor) -> Tensor:
        """Returns the root's samples that codes stand for."""
        self._call("tokenize")
        return self.restore(self.method.detokenize(c))

    def decode(self, z: Tensor) -> Tensor:
        """Returns the root's samples of latents."""
        return self.restore(self._call("decode")(z))

    def sample(self, n: int, *, generator: Generator | None = None, **extra: Any) -> Tensor:
        """Returns n new samples of the root's kind; all randomness comes from the generator."""
        return self.restore(self._call("sample")(n, generator=generator, **extra))

    def log_prob(self, x: Tensor, **extra: Any) -> Tensor:
        """Returns log p in nats, shape (N,), over the space that `density_over` names.

        A parent is crossed if it is invertible, by its log determinant, or if its codes say how likely a sample is:
        log p(x) >= log p(x | c) + log p(c) for the codes c that it gives x.
        """
        call = self._call("log_prob")
        gained = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        crosses = self.density_over() == "the data"
        for parent, bridge in self.links():
            made = produce(parent, bridge.via, x, bridge.layer)
            if crosses and bridge.via == "tokenize":
                gained += parent.log_likelihood(x, made)
            elif crosses:
                gained += parent.log_det(x) - bridge.spec.size * math.log(float(bridge.scale))
            x = bridge(made)
        result: Tensor = call(x, **extra)
        return result + gained.to(result.dtype) if crosses else result

    def bound(self) -> Bound:
        """Says whether `log_prob` is exact, a lower bound, or an estimate."""
        self._call("log_prob")
        result: Bound = self.method.bound()
        through_codes = self.density_over() == "the data" and any(b.via == "tokenize" for _, b in self.links())
        return "lower" if through_codes and result == "exact" else result

    def density_over(self) -> str:
        """Says of what `log_prob` is the density: ``the data``, or ``the latents of`` the nearest parent."""
        crossed = all(crossable(parent, bridge) for parent, bridge in self.links())
        return "the data" if crossed else f"the latents of {type(self.parents[-1]).__name__}"

    @property
    def discrete(self) -> bool | None:
        """Whether `log_prob` is of a probability or of a density; None where it is not known."""
        if self.density_over() == "the data" and self.parents:
            parent, bridge = self.links()[0]
            return parent.discrete if bridge.via == "tokenize" else False  # an invertible one passes densities on
        return True if self.method.spec.codes else self.method.discrete

    @property
    def binary(self) -> bool:
        """Whether `log_prob` is a likelihood of values 0 and 1 only."""
        crossed = self.density_over() == "the data"
        return self.method.binary or (crossed and any(parent.binary for parent, _ in self.links()))

    def prior(self, n: int, *, label: Any = None, generator: Generator | None = None) -> Tensor:
        """Returns n latents that `decode` makes samples of, shape (n, d)."""
        result: Tensor = self.method.prior(n, label=label, generator=generator)
        return result

    def discriminate(self, x: Tensor) -> Tensor:
        """Returns logits, shape (N,): greater for what looks like data."""
        result: Tensor = self._call("discriminate")(self.features(x))
        return result

    def anomaly_score(self, x: Tensor) -> Tensor:
        """Returns scores, shape (N,); higher is stranger."""
        result: Tensor = self._call("anomaly_score")(self.features(x))
        return result

    def reconstruct(self, x: Tensor) -> Tensor:
        """Returns the root's samples restored from the method's representation of them."""
        return self.restore(self._call("reconstruct")(self.features(x)))

    def classify(self, x: Tensor) -> Tensor:
        """Returns logits, shape (N, K)."""
        result: Tensor = self._call("classify")(self.features(x))
        return result

    def assign(self, x: Tensor) -> Tensor:
        """Returns int64 groups, shape (N,); -1 for none."""
        result: Tensor = self._call("assign")(self.features(x))
        return result

    def embed(self, x: Tensor) -> Tensor:
        """Returns places on a map, shape (N, 2)."""
        result: Tensor = self._call("embed")(self.features(x))
        return result

    def translate(self, x: Tensor, *, to: Any = None) -> Tensor:
        """Returns the samples in the other domain."""
        return self.restore(self._call("translate")(self.features(x), to=to))

    def figures(self) -> dict[str, Any]:
        """Returns arrays for a picture peculiar to the method."""
        result: dict[str, Any] = self._call("figures")()
        return result


def produce(parent: Any, via: Via, x: Tensor, layer: str | None = None) -> Tensor:
    """Returns what a parent makes of samples: latents, codes, or places on its map."""
    extra = {} if layer is None else {"layer": layer}
    result: Tensor = getattr(parent, via)(x, **extra)
    return result


def crossable(parent: Any, bridge: Bridge) -> bool:
    """Returns whether a density of what a parent makes says something of the parent's own data."""
    if bridge.via == "tokenize":
        return callable(getattr(parent, "log_likelihood", None))
    return bridge.via == "encode" and "Invertible" in capabilities(parent)


ASIDE = {"Invertible": "log_det", "Prior": "prior"}  # capabilities that help others, and that no verb asks for
BACKWARD = frozenset({"Decodes", "Samples", "Reconstructs", "Translates", "Prior"})


def capabilities(chain: nn.Module) -> frozenset[str]:
    """Returns what a method can do, or what of it a chain leaves: the keys of `CALLS`, ``Invertible``, ``Prior``.

    Example:
        >>> from tacit.protocol import Method, Spec
        >>> sorted(capabilities(Method(Spec("vector", (2,)))))
        []
    """
    if not isinstance(chain, Chain):
        able = {c for c, call in CALLS.items() if callable(getattr(chain, call, None))}
        able |= {c for c, call in ASIDE.items() if callable(getattr(chain, call, None))}
        return frozenset(able) - getattr(chain, "without", frozenset())
    able = set(capabilities(chain.method))
    for parent, bridge in chain.links():
        back = {"Tokenizes"} if bridge.via == "tokenize" else {"Decodes", "Reconstructs"}  # else it decodes other codes
        if bridge.via == "embed" or not back <= capabilities(parent):
            able -= BACKWARD
    return frozenset(able)
