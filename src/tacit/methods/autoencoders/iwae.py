"""The importance-weighted autoencoder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn

from tacit.errors import OptionError, at_least
from tacit.functional.importance import effective_draws, log_mean_exp
from tacit.functional.likelihoods import gaussian_each
from tacit.functional.noise import normal
from tacit.methods.autoencoders.vae import VAE
from tacit.protocol import Batch, Loss, Spec

__all__ = ["IWAE"]

MOST = 250_000_000  # decoded values of one step: 1 GB, and several times as much with their gradients


class IWAE(VAE):
    """Importance-weighted autoencoder: a VAE learned by the tighter bound of several draws.

    References:
        Burda, Grosse & Salakhutdinov 2015, arXiv:1509.00519. Tucker et al. 2018, arXiv:1810.04152 (DReG).

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the latent space.
        draws: From the posterior, for each sample; 1 makes it a VAE whose KL divergence is estimated.
        gradient: Of the encoder: standard is the bound's own, whose noise drowns it as draws grow; dreg has the same
            mean and less variance. The decoder's is the bound's own in both.
        likelihood: Of the data given a latent: gaussian; bernoulli (of binary data a likelihood, of grey values only
            a loss); logistic or mixture (of 8-bit images, discrete); mixed (of tables); auto is mixed for tables,
            else gaussian.
        sigma: Scale of gaussian, logistic and mixed; by default learned: one for all values, of a table one a column.
        width: Units of each hidden layer, or channels of the first convolution; by default 512 or 16.
        depth: Hidden layers of an mlp; 0 makes it linear.
        net: Which net; auto takes convolutions for images and maps, an mlp for the rest; resnet adds residual blocks.
        encoder: Your own module, (N, *shape) to (N, 2 latent): the posterior's mean and log-variance.
        decoder: Your own module, (N, latent) to (N, *shape): the likelihood's mean before squashing, or logits.

    Raises:
        DataError: If the data are not in the likelihood's range, or images are too small for the net.
        OptionError: If the likelihood does not suit the data, or there is no draw.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 16,
        draws: int = 10,
        gradient: Literal["standard", "dreg"] = "dreg",
        likelihood: Literal["auto", "gaussian", "bernoulli", "logistic", "mixture", "mixed"] = "auto",
        sigma: float | None = None,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(
            spec, latent=latent, likelihood=likelihood, sigma=sigma, width=width, depth=depth, net=net,
            encoder=encoder, decoder=decoder,
        )
        at_least(1, draws=draws)
        self.draws, self.gradient = draws, gradient

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields -log((1 / k) sum_i w_i) (equation 8 of Burda et al.), mean over the batch.

        Raises:
            OptionError: If so many draws of so many samples would not fit in memory with their gradients.
        """
        made = self.draws * len(batch) * math.prod(self.observation.shape)
        if made > MOST:
            raise OptionError(f"--draws {self.draws} of {len(batch)} samples makes {made:,} values at once, and more "
                              f"than {MOST:,} would not fit in memory; take fewer, or a smaller --batch")
        if self.gradient == "dreg":
            log_w, surrogate = self.doubly_reparameterised(batch.x)
        else:
            log_w = self.log_weights(batch.x, self.draws)  # (k, N)
            surrogate = log_mean_exp(log_w)
        bound = log_mean_exp(log_w.detach())  # (N,)
        terms = {"elbo": log_w.detach().mean(), "effective_draws": effective_draws(log_w.detach()).mean()}
        yield Loss("model", -(bound + surrogate - surrogate.detach()).mean(), terms)

    def doubly_reparameterised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns log weights, (k, N), and what has the DReG gradient of the bound, (N,), but not its value.

        With normalised weights v_i, the decoder's gradient is sum_i v_i d log w_i; the encoder's goes through z alone,
        sum_i v_i^2 (d log w_i / d z_i) d z_i (equation 8 of Tucker et al.): the second v_i comes in at z, backwards.
        """
        mean, log_var = (part.repeat(self.draws, 1) for part in self.posterior(x))  # (N, d) -> (k N, d)
        z = mean + (0.5 * log_var).exp() * normal(*mean.shape, device=x.device)
        log_q = gaussian_each(z, mean.detach(), 0.5 * log_var.detach()).sum(1)
        log_p = self.log_joint(x.repeat(self.draws, *[1] * (x.dim() - 1)), z)
        log_w = (log_p - log_q).unflatten(0, (self.draws, -1))  # (k N,) -> (k, N)
        share = log_w.detach().softmax(0)
        if z.requires_grad:
            z.register_hook(lambda gradient: gradient * share.flatten()[:, None])
        return log_w, (share * log_w).sum(0)
