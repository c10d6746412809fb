"""A pool of images made earlier, so that a discriminator does not forget what generators used to do."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["ImagePool"]


class ImagePool(nn.Module):
    """Hands out each new image or, with probability 1/2, an older one, whose place the new one takes.

    Every image draws a place, no two of them the same. If the place is free the image goes there and is itself handed
    out; else a coin decides. So at any time an image of the pool is handed out at most once more.

    The places change only in `enter`, once for all micro-batches and processes. Each of them draws by itself; where
    several have drawn the same place, it keeps what it has, so that everybody ends with the same pool whoever was
    first.

    References:
        Shrivastava et al. 2017, arXiv:1612.07828, section 2.3. Zhu et al. 2017, arXiv:1703.10593, section 4.

    Arguments:
        size: Places; 0 hands out the new images alone.
        shape: Of one image.
    """

    images: Tensor
    taken: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("taken", torch.zeros(size, dtype=torch.bool))

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Returns a place for each of n images, (n,), `size` and above for none; and on which side its coin fell."""
        size, device = len(self.taken), self.taken.device
        return torch.randperm(max(n, size), device=device)[:n], torch.rand(n, device=device) < 0.5

    def forward(self, new: Tensor) -> tuple[Tensor, Tensor]:
        """Chooses what to hand out.

        Arguments:
            new: Images, shape (N, *shape).

        Returns:
            Images, shape (N, *shape), and what `enter` wants to know.
        """
        new = new.detach()
        places, heads = self.draw(len(new))
        real = places < len(self.taken)
        old = torch.zeros_like(new)
        old[real] = self.images[places[real]].to(new.dtype)
        occupied = torch.zeros_like(heads)
        occupied[real] = self.taken[places[real]]
        shown = torch.where((heads & occupied).view(-1, *[1] * (new.dim() - 1)), old, new)
        goes = real & (heads | ~occupied)
        return shown, self.entries(new[goes], places[goes])

    def entries(self, new: Tensor, places: Tensor) -> Tensor:
        """Returns how many images go to each place, and their sum, in a row: shape (size, 1 + values)."""
        rows = torch.zeros(len(self.taken), 1 + math.prod(self.images.shape[1:]), device=new.device)
        rows[places, 0] = 1.0
        rows[places, 1:] = new.flatten(1).float()
        return rows

    @torch.no_grad()
    def enter(self, entries: Tensor) -> None:
        """Puts images in their places.

        Arguments:
            entries: Those of `forward`, summed over micro-batches and processes.
        """
        alone = entries[:, 0] == 1
        self.images[alone] = entries[alone, 1:].view(-1, *self.images.shape[1:])
        self.taken |= alone
