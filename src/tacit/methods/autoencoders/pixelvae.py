"""The PixelVAE."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from tacit.errors import at_least
from tacit.methods.autoencoders.vae import VAE
from tacit.nets.coders import decoder as decoder_for
from tacit.nets.observations import rows_at_once
from tacit.nets.pixels import Levels, Logistics, Pixels
from tacit.protocol import Optim, Recipe, Spec

__all__ = ["PixelVAE"]


class PixelVAE(VAE):
    """PixelVAE: latents say what an image shows, and a few masked layers draw it, pixel by pixel.

    The more the masked layers see, the less they need the latents: `kl` in the log says how many nats those still
    carry. Here what the decoder makes of them enters every gate; in the paper it joins the pixels.

    References:
        Gulrajani et al. 2016, arXiv:1611.05013. van den Oord et al. 2016, arXiv:1606.05328 (gates).

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the latent space.
        likelihood: Of a pixel given the latent and the pixels before it: mixture of logistics, of 8-bit images;
            bernoulli, of images rounded to black and white.
        layers: Of the masked net; the first lets a pixel see four rows and three columns around it, each other one
            more; 0 makes it a VAE.
        stack_width: Channels of the masked net's stacks, and of what the decoder tells it.
        components: Of the mixture.
        beta: Weight of the KL divergence; 1 is the evidence lower bound.
        warmup_steps: Steps over which that weight rises linearly from 0: else the latents are soon left unused.
        free_bits: Nats of each latent dimension, averaged over the batch, below which its KL is not pressed.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions, resnet adds residual blocks.
        encoder: Your own module, (N, *shape) to (N, 2 latent): the posterior's mean and log-variance.
        decoder: Your own module, (N, latent) to (N, stack_width, H, W).

    Raises:
        DataError: If images do not lie in [0, 1], or are too small for the net.
        OptionError: If the number of layers is negative.
    """

    accepts = ("image",)

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 16,
        likelihood: Literal["mixture", "bernoulli"] = "mixture",
        layers: int = 4,
        stack_width: int = 32,
        components: int = 5,
        beta: float = 1.0,
        warmup_steps: int = 500,
        free_bits: float = 0.0,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        at_least(0, layers=layers)
        at_least(1, stack_width=stack_width, components=components)
        super().__init__(
            spec, latent=latent, likelihood=likelihood, beta=beta, warmup_steps=warmup_steps, free_bits=free_bits,
            width=width, depth=depth, net=net, encoder=encoder, decoder=decoder or nn.Identity(),  # for the moment
        )  # fmt: skip
        if layers:
            law = Levels(spec, 2) if likelihood == "bernoulli" else Logistics(spec, components)
            pixels = Pixels(law, width=stack_width, layers=layers, condition=stack_width)
            self.observation = InOrder(pixels, stack_width)  # type: ignore[assignment]
        shape = self.observation.shape
        self.rows = rows_at_once(shape)
        self.decoder = decoder or decoder_for(spec, latent, shape=shape, width=width, depth=depth, net=net)

    def recipe(self) -> Recipe:
        """Returns how it likes to be trained: with small batches, for each sample costs and says much."""
        return Recipe(batch=32, steps=5_000, optim={"model": Optim(lr=1e-3, schedule="cosine", warmup=50)})


class InOrder(nn.Module):
    """The likelihood p(x | z) of pixels that see z and those before them.

    Arguments:
        pixels: The masked net and the likelihood of one pixel.
        channels: Of what the decoder tells every pixel.
    """

    def __init__(self, pixels: Pixels, channels: int) -> None:
        super().__init__()
        self.pixels, self.shape = pixels, (channels, *pixels.law.shape[1:])

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Returns log P(x | z) in nats, shape (N,)."""
        result: Tensor = self.pixels(x, out)
        return result

    def mean(self, out: Tensor) -> Tensor:
        """Returns the draw of P(x | z) that one fixed noise stands for, the same for all, as there is no mean."""
        return self.pixels.at(self.pixels.noise(1, torch.Generator().manual_seed(0)), out)

    def draw(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns what is shown of P(x | z): a draw, whose pixels go together."""
        return self.sample(out, generator)

    def sample(self, out: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns a draw of P(x | z), pixel by pixel."""
        return self.pixels.at(self.pixels.noise(len(out), generator), out)
