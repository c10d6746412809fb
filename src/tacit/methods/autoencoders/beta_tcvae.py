"""The variational autoencoder whose total correlation is pressed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import nn

from tacit.functional.total_correlation import decomposed, minibatch_stratified, minibatch_weighted
from tacit.methods.autoencoders.vae import VAE, active_units
from tacit.protocol import Batch, Loss, Spec

__all__ = ["BetaTCVAE"]

WEIGHTS = {"stratified": minibatch_stratified, "weighted": minibatch_weighted}


class BetaTCVAE(VAE):
    """VAE whose latents are pressed to be independent of one another, that each may stand for one factor of the data.

    The KL divergence is mutual information of latent and sample, total correlation of the latents, and each latent's
    own divergence from the prior; of the three the second has most of the weight.

    References:
        Chen, Li, Grosse & Duvenaud 2018, arXiv:1802.04942.

    Arguments:
        spec: What one sample is.
        latent: Dimensions of the latent space.
        alpha: Weight of the mutual information.
        beta: Weight of the total correlation; where all three are 1, it is a VAE.
        gamma: Weight of each latent's own divergence from the prior.
        estimator: How a batch stands for all samples: stratified is unbiased for q(z), weighted is not.
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
        OptionError: If the likelihood does not suit the data.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        latent: int = 10,
        alpha: float = 1.0,
        beta: float = 6.0,
        gamma: float = 1.0,
        estimator: Literal["stratified", "weighted"] = "stratified",
        likelihood: Literal["auto", "gaussian", "bernoulli", "logistic", "mixture", "mixed"] = "auto",
        sigma: float | None = None,
        width: int | None = None,
        depth: int = 2,
        net: Literal["auto", "mlp", "conv", "resnet"] = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__(
            spec, latent=latent, likelihood=likelihood, sigma=sigma, beta=beta, width=width, depth=depth, net=net,
            encoder=encoder, decoder=decoder,
        )
        self.alpha, self.gamma, self.estimator = alpha, gamma, estimator

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields equation 4: sums over values and latents, means over the batch only.

        The three terms sum to the KL divergence, so that of each only what its weight has beyond 1 is estimated.
        """
        mean, log_var = self.posterior(batch.x)
        z, kl = self.draw(mean, log_var)  # (N, d) each
        log_weights = WEIGHTS[self.estimator](len(z), self.clock.samples).to(z)  # (N, N)
        information, correlation, own = (term.mean() for term in decomposed(z, mean, log_var, log_weights))
        log_p, elbo_kl = self.log_likelihood(batch.x, z).mean(), kl.mean(0).sum()
        beyond = (self.alpha - 1) * information + (self.beta - 1) * correlation + (self.gamma - 1) * own
        terms = {
            "reconstruction": -log_p.detach(), "kl": elbo_kl.detach(),
            "mutual_information": information.detach(), "total_correlation": correlation.detach(),
            "dimension_kl": own.detach(),
            "active_units": active_units(mean),
        }
        yield Loss("model", elbo_kl + beyond - log_p, terms)
