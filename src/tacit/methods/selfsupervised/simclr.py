"""Contrastive learning of representations."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tacit.data.augment import Augment
from tacit.errors import OptionError
from tacit.functional.contrast import gathered, nt_xent
from tacit.nets.backbones import Architecture, backbone, feature_size, layer_of, layers_of, pooled
from tacit.protocol import Batch, Loss, Method, Optim, Recipe, Spec

__all__ = ["SimCLR"]


class SimCLR(Method):
    """SimCLR: two views of a sample are to be found similar, those of all other samples of the batch not.

    Both views of all samples pass the net together, so that the statistics of its norms do not tell which view is
    whose. With several processes the others are those of all processes; with --micro-batch only those of the same
    micro-batch, which is another, easier task: prefer a smaller --batch. Of vectors and tables, a view is a row in
    which a share of the columns is replaced by those of other rows of the batch.

    References:
        Chen et al. 2020, A simple framework for contrastive learning of visual representations, arXiv:2002.05709.
        Bahri et al. 2021, arXiv:2106.15147 (SCARF: the views of tables).

    Arguments:
        spec: What one sample is.
        views: What makes a view of an image, as in --augment.
        corrupt: Share of the columns of a vector or table that a view replaces.
        tau: Temperature, which divides the cosines of embeddings.
        architecture: Of the backbone; auto is conv (four plain convolutions) for images, an mlp for the rest.
        width: Channels of the backbone's first layer, or units of each layer of an mlp; by default 32 or 512.
        hidden: Units of the projection head's hidden layer.
        embedding: Dimensions of the space in which views are compared.
        encoder: Your own backbone, (N, *shape) to features (N, D) or (N, D, h, w).

    Raises:
        DataError: If images are too small for the net.
        OptionError: If a view is unknown, or tau or corrupt out of range.
    """

    accepts = ("image", "vector", "table")

    def __init__(
        self,
        spec: Spec,
        *,
        views: str = "zoom,flip,jitter,grey",
        corrupt: float = 0.6,
        tau: float = 0.2,
        architecture: Architecture = "auto",
        width: int | None = None,
        hidden: int = 512,
        embedding: int = 128,
        encoder: nn.Module | None = None,
    ) -> None:
        super().__init__(spec)
        if tau <= 0 or not 0 < corrupt < 1:
            raise OptionError(f"--tau is {tau:g} and --corrupt {corrupt:g}; a temperature is above 0, a share between "
                              "0 and 1")
        self.augment, self.corrupt, self.tau = Augment.parse(views), corrupt, tau
        self.backbone = encoder or backbone(spec, architecture, width)
        size = feature_size(self.backbone, spec)
        self.projection = nn.Sequential(  # g(h), equation 1
            nn.Linear(size, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, embedding)
        )
        self.register_buffer("column", columns(spec), persistent=False)

    column: Tensor

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields NT-Xent (equation 1) over the pairs of all processes; by chance it is log(2 N - 1)."""
        x = torch.cat([self.view(batch.x), self.view(batch.x)])  # (2 N, *shape)
        a, b = self.projection(self.encode(x)).to(x.dtype).chunk(2)  # (N, embedding) each; bf16 ends here
        if self.training:  # held-out losses are taken by one process
            a, b = gathered(a), gathered(b)
        loss, accuracy = nt_xent(a, b, self.tau)
        others = torch.tensor(2.0 * len(a) - 1, device=loss.device)
        yield Loss("model", loss, {"accuracy": accuracy, "chance": 1 / others, "chance_loss": others.log()})

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained: batches of 256, AdamW instead of LARS, which suits batches of 4096."""
        optim = Optim(lr=4e-3, weight_decay=0.05, schedule="cosine", warmup=50)
        return Recipe(batch=256, steps=4_000, optim={"model": optim})

    def view(self, x: Tensor) -> Tensor:
        """Returns one view of each sample, shape (N, *shape); all randomness comes from torch's global generator."""
        if self.spec.kind == "image":
            return self.augment(x)
        count = len(self.spec.columns) or self.spec.size
        own = torch.arange(len(x), device=x.device)[:, None]
        other = torch.randint(len(x), (len(x), count), device=x.device)
        replaced = torch.rand(len(x), count, device=x.device) < self.corrupt
        return x.gather(0, torch.where(replaced, other, own)[:, self.column])  # (N, count) -> (N, D)

    def layers(self) -> list[str]:
        """Returns the layers that `encode` knows."""
        return layers_of(self.backbone)

    def encode(self, x: Tensor, *, layer: str | None = None) -> Tensor:
        """Returns features, from before the projection (section 4.2).

        Arguments:
            x: Samples, shape (N, *spec.shape).
            layer: One of `layers`, for its features alone, shape (N, units) or (N, channels, h, w).

        Returns:
            The last layer's, maps averaged to 2 x 2 and in a row, shape (N, D).

        Raises:
            OptionError: If there is no such layer.
        """
        return pooled(self.backbone(x)) if layer is None else layer_of(self.backbone, x, layer)


def columns(spec: Spec) -> Tensor:
    """Returns for each position of a row the column that it belongs to, int64 (D,); of images, none."""
    if spec.kind == "image":
        return torch.zeros(0, dtype=torch.int64)
    widths = torch.tensor([c.width for c in spec.columns] or [1] * spec.size)
    return torch.arange(len(widths)).repeat_interleave(widths)
