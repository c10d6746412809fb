"""The catalogue: one literal row for each method, readable without importing torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tacit.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from tacit.protocol import Method

__all__ = ["CATALOG", "WORDS", "Row", "capability", "method_class", "row", "select"]

WORDS: Mapping[str, tuple[str, ...]] = {
    "Encodes": ("encode",),
    "Tokenizes": ("tokenize",),
    "Decodes": ("decode",),
    "Samples": ("sample",),
    "Density": ("log_prob", "density"),
    "Infers": ("infer",),
    "Scores": ("anomaly_score", "score"),
    "Reconstructs": ("reconstruct",),
    "Translates": ("translate",),
    "Discriminates": ("discriminate",),
    "Classifies": ("classify",),
    "Clusters": ("assign", "cluster"),
    "Embeds": ("embed", "map"),
    "Illustrates": ("figures",),
}
"""What a person may call each capability; the first is the call itself, the last what lists show."""


@dataclass(frozen=True)
class Row:
    """What is known of a method before it is imported.

    Arguments:
        name: Its name on the command line and in a saved config.
        module: Where its class is.
        cls: Name of the class.
        family: The folder of the module.
        summary: What it is, in a few words.
        paper: Authors and year.
        can: The most that an instance can do, as keys of `tacit.protocol.CALLS`.
        accepts: Kinds of data, best first.
        needs: The fields of a batch, besides ``x``, that it always reads.
        kind: Whether it learns by gradient or is fitted at one stroke.
        cost: Time of a usual fit on the same data, in multiples of PCA's.
        extra: The extra of tacit that it needs, or None.
        seat: What a study wants it for, a seat of its panel, or nothing; of several for one seat, those that take the
            fewest kinds of data go first, then those that come first here.
    """

    name: str
    module: str
    cls: str
    family: str
    summary: str
    paper: str
    can: tuple[str, ...]
    accepts: tuple[str, ...]
    needs: tuple[str, ...] = ()
    kind: Literal["fitted", "trained"] = "trained"
    cost: float = 1.0
    extra: str | None = None
    seat: str = ""


CATALOG: tuple[Row, ...] = (
    Row(
        name="pca", module="tacit.methods.classical.pca", cls="PCA", family="classical",
        summary="directions of greatest variance, as a probabilistic model", paper="Tipping & Bishop 1999",
        can=("Encodes", "Decodes", "Samples", "Density", "Scores", "Reconstructs", "Embeds"),
        accepts=("vector", "map", "image", "table"), kind="fitted", cost=1, seat="first look",
    ),
    Row(
        name="kmeans", module="tacit.methods.classical.kmeans", cls="KMeans", family="classical",
        summary="clusters around centres", paper="Lloyd 1982; Arthur & Vassilvitskii 2007",
        can=("Scores", "Clusters"), accepts=("vector", "map", "image", "table"), kind="fitted", cost=2, seat="clusters",
    ),
    Row(
        name="gmm", module="tacit.methods.classical.gmm", cls="GMM", family="classical",
        summary="a mixture of Gaussians", paper="Dempster, Laird & Rubin 1977",
        can=("Samples", "Density", "Scores", "Clusters"), accepts=("vector", "map", "image", "table"), kind="fitted",
        cost=5,
    ),
    Row(
        name="hdbscan", module="tacit.methods.classical.hdbscan", cls="HDBSCAN", family="classical",
        summary="clusters of any shape where samples are dense", paper="Campello, Moulavi & Sander 2013",
        can=("Clusters",), accepts=("vector", "map", "image", "table"), kind="fitted", cost=10,
    ),
    Row(
        name="tsne", module="tacit.methods.classical.tsne", cls="TSNE", family="classical",
        summary="a map that keeps neighbours together", paper="van der Maaten & Hinton 2008",
        can=("Embeds",), accepts=("vector", "map", "image", "table"), kind="fitted", cost=20, extra="maps", seat="map",
    ),
    Row(
        name="umap", module="tacit.methods.classical.umap", cls="UMAP", family="classical",
        summary="a map of who is near whom", paper="McInnes, Healy & Melville 2018",
        can=("Embeds",), accepts=("vector", "map", "image", "table"), kind="fitted", cost=15, extra="maps", seat="map",
    ),
    Row(
        name="ica", module="tacit.methods.classical.ica", cls="ICA", family="classical",
        summary="independent sources that were mixed", paper="Hyvarinen & Oja 2000",
        can=("Encodes", "Decodes", "Reconstructs", "Illustrates"), accepts=("vector", "map", "image", "table"),
        kind="fitted", cost=3,
    ),
    Row(
        name="nmf", module="tacit.methods.classical.nmf", cls="NMF", family="classical",
        summary="parts whose sums are the samples", paper="Lee & Seung 1999",
        can=("Encodes", "Decodes", "Reconstructs", "Illustrates"), accepts=("image", "vector", "map", "table"),
        kind="fitted", cost=10,
    ),
    Row(
        name="isolation-forest", module="tacit.methods.classical.isolation_forest", cls="IsolationForest",
        family="classical", summary="what few random cuts set apart is strange", paper="Liu, Ting & Zhou 2008",
        can=("Scores",), accepts=("vector", "map", "image", "table"), kind="fitted", cost=2, seat="outliers",
    ),
    Row(
        name="lof", module="tacit.methods.classical.lof", cls="LOF", family="classical",
        summary="what lies in a sparser place than its neighbours is strange",
        paper="Breunig, Kriegel, Ng & Sander 2000",
        can=("Scores",), accepts=("vector", "map", "image", "table"), kind="fitted", cost=5, seat="outliers",
    ),
    Row(
        name="ae", module="tacit.methods.autoencoders.ae", cls="AE", family="autoencoders",
        summary="a narrow code from which samples are restored", paper="Hinton & Salakhutdinov 2006",
        can=("Encodes", "Decodes", "Scores", "Reconstructs", "Classifies"),
        accepts=("image", "map", "vector", "table"), cost=50, seat="autoencoder",
    ),
    Row(
        name="sparse-ae", module="tacit.methods.autoencoders.sparse_ae", cls="SparseAE", family="autoencoders",
        summary="many units of which few are active, each for one atom of the data", paper="Ng 2011",
        can=("Encodes", "Decodes", "Scores", "Reconstructs", "Classifies", "Illustrates"),
        accepts=("image", "map", "vector", "table"), cost=50,
    ),
    Row(
        name="denoising-ae", module="tacit.methods.autoencoders.denoising_ae", cls="DenoisingAE",
        family="autoencoders", summary="restores samples from noise, holes and blots", paper="Vincent et al. 2010",
        can=("Encodes", "Decodes", "Scores", "Reconstructs", "Classifies"),
        accepts=("image", "map", "vector", "table"), cost=100,
    ),
    Row(
        name="vae", module="tacit.methods.autoencoders.vae", cls="VAE", family="autoencoders",
        summary="a smooth latent space, and samples from it", paper="Kingma & Welling 2013",
        can=("Encodes", "Decodes", "Samples", "Density", "Infers", "Scores", "Reconstructs"),
        accepts=("image", "map", "vector", "table"), cost=50, seat="latent variables",
    ),
    Row(
        name="pixelvae", module="tacit.methods.autoencoders.pixelvae", cls="PixelVAE", family="autoencoders",
        summary="a VAE whose images are drawn pixel by pixel", paper="Gulrajani et al. 2016",
        can=("Encodes", "Decodes", "Samples", "Density", "Infers", "Scores", "Reconstructs"),
        accepts=("image",), cost=500,
    ),
    Row(
        name="iwae", module="tacit.methods.autoencoders.iwae", cls="IWAE", family="autoencoders",
        summary="a VAE learned by the tighter bound of several draws",
        paper="Burda, Grosse & Salakhutdinov 2015",
        can=("Encodes", "Decodes", "Samples", "Density", "Infers", "Scores", "Reconstructs"),
        accepts=("image", "map", "vector", "table"), cost=200,
    ),
    Row(
        name="gumbel-vae", module="tacit.methods.autoencoders.gumbel_vae", cls="GumbelVAE", family="autoencoders",
        summary="categories for latents, learned on smooth draws of them", paper="Jang, Gu & Poole 2016",
        can=("Encodes", "Decodes", "Samples", "Density", "Scores", "Reconstructs"),
        accepts=("image", "map", "vector", "table"), cost=50,
    ),
    Row(
        name="m2", module="tacit.methods.autoencoders.m2", cls="M2", family="autoencoders",
        summary="a VAE of class and style that learns the classes from a few labels",
        paper="Kingma, Rezende, Mohamed & Welling 2014",
        can=("Encodes", "Decodes", "Samples", "Density", "Scores", "Reconstructs", "Classifies"),
        accepts=("image", "map", "vector", "table"), needs=("label",), cost=200,
    ),
    Row(
        name="vqvae", module="tacit.methods.autoencoders.vqvae", cls="VQVAE", family="autoencoders",
        summary="a grid of discrete codes from which samples are restored", paper="van den Oord et al. 2017",
        can=("Encodes", "Tokenizes", "Decodes", "Scores", "Reconstructs"),
        accepts=("image", "map", "vector", "table"), cost=200,
    ),
    Row(
        name="beta-tcvae", module="tacit.methods.autoencoders.beta_tcvae", cls="BetaTCVAE", family="autoencoders",
        summary="a VAE whose latents are pressed to be independent, by an estimate from each batch",
        paper="Chen, Li, Grosse & Duvenaud 2018",
        can=("Encodes", "Decodes", "Samples", "Density", "Infers", "Scores", "Reconstructs"),
        accepts=("image", "map", "vector", "table"), cost=50,
    ),
    Row(
        name="factor-vae", module="tacit.methods.autoencoders.factor_vae", cls="FactorVAE", family="autoencoders",
        summary="a VAE whose latents must pass a discriminator for independent ones", paper="Kim & Mnih 2018",
        can=("Encodes", "Decodes", "Samples", "Density", "Infers", "Scores", "Reconstructs"),
        accepts=("image", "map", "vector", "table"), cost=50,
    ),
    Row(
        name="gan", module="tacit.methods.adversarial.gan", cls="GAN", family="adversarial",
        summary="a generator against a discriminator", paper="Goodfellow et al. 2014",
        can=("Encodes", "Decodes", "Samples", "Discriminates"), accepts=("image", "map", "vector", "table"), cost=50,
        seat="adversary",
    ),
    Row(
        name="dcgan", module="tacit.methods.adversarial.dcgan", cls="DCGAN", family="adversarial",
        summary="a convolutional GAN; its discriminator's features are a representation",
        paper="Radford, Metz & Chintala 2015",
        can=("Encodes", "Decodes", "Samples", "Discriminates"), accepts=("image",), cost=200, seat="adversary",
    ),
    Row(
        name="wgan-gp", module="tacit.methods.adversarial.wgan_gp", cls="WGANGP", family="adversarial",
        summary="a GAN whose critic measures how far samples are from the data",
        paper="Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017",
        can=("Encodes", "Decodes", "Samples", "Discriminates"), accepts=("image", "map", "vector", "table"), cost=300,
    ),
    Row(
        name="r3gan", module="tacit.methods.adversarial.r3gan", cls="R3GAN", family="adversarial",
        summary="the modern GAN: samples against data pair by pair, with slopes held small",
        paper="Huang, Gokaslan, Kuleshov & Tompkin 2024",
        can=("Encodes", "Decodes", "Samples", "Discriminates"), accepts=("image", "map", "vector", "table"), cost=500,
    ),
    Row(
        name="infogan", module="tacit.methods.adversarial.infogan", cls="InfoGAN", family="adversarial",
        summary="a GAN whose code, a category and some numbers, can be read back from samples",
        paper="Chen et al. 2016",
        can=("Encodes", "Decodes", "Samples", "Discriminates", "Clusters", "Illustrates"),
        accepts=("image", "map", "vector", "table"), cost=100,
    ),
    Row(
        name="pix2pix", module="tacit.methods.adversarial.pix2pix", cls="Pix2Pix", family="adversarial",
        summary="images into others, as paired examples show", paper="Isola, Zhu, Zhou & Efros 2017",
        can=("Translates",), accepts=("image",), needs=("pair",), cost=500,
    ),
    Row(
        name="cyclegan", module="tacit.methods.adversarial.cyclegan", cls="CycleGAN", family="adversarial",
        summary="images of one domain into another and back, without pairs", paper="Zhu, Park, Isola & Efros 2017",
        can=("Translates",), accepts=("image",), needs=("target",), cost=1000,
    ),
    Row(
        name="srresnet", module="tacit.methods.adversarial.srresnet", cls="SRResNet", family="adversarial",
        summary="larger images, with the least squared error", paper="Ledig et al. 2017",
        can=("Translates",), accepts=("image",), needs=("pair",), cost=500,
    ),
    Row(
        name="srgan", module="tacit.methods.adversarial.srgan", cls="SRGAN", family="adversarial",
        summary="larger images that pass for real ones", paper="Ledig et al. 2017",
        can=("Translates",), accepts=("image",), needs=("pair",), cost=1000,
    ),
    Row(
        name="pixelcnn", module="tacit.methods.autoregressive.pixelcnn", cls="PixelCNN", family="autoregressive",
        summary="images or codes drawn pixel by pixel, with an exact likelihood", paper="van den Oord et al. 2016",
        can=("Samples", "Density", "Scores"), accepts=("codes", "image"), cost=500,
    ),
    Row(
        name="ddpm", module="tacit.methods.diffusion.ddpm", cls="DDPM", family="diffusion",
        summary="samples made of noise, step by step, by a net that learned to take it away",
        paper="Ho, Jain & Abbeel 2020",
        can=("Samples", "Density"), accepts=("image", "map", "vector", "table"), cost=500, seat="diffusion",
    ),
    Row(
        name="pretrained", module="tacit.methods.selfsupervised.pretrained", cls="Pretrained",
        family="selfsupervised", summary="an encoder trained elsewhere, from a file", paper="Donahue et al. 2013",
        can=("Encodes",), accepts=("image", "map", "vector", "table"), kind="fitted", cost=2,
    ),
    Row(
        name="rotation", module="tacit.methods.selfsupervised.rotation", cls="Rotation", family="selfsupervised",
        summary="features of whoever can say how an image was turned", paper="Gidaris, Singh & Komodakis 2018",
        can=("Encodes",), accepts=("image",), cost=500,
    ),
    Row(
        name="simclr", module="tacit.methods.selfsupervised.simclr", cls="SimCLR", family="selfsupervised",
        summary="features in which two views of a sample are alike and those of others are not",
        paper="Chen, Kornblith, Norouzi & Hinton 2020",
        can=("Encodes",), accepts=("image", "vector", "table"), cost=500, seat="self-supervision",
    ),
    Row(
        name="classifier", module="tacit.methods.supervised.classifier", cls="Classifier", family="supervised",
        summary="names the class of samples, learned from labels", paper="Bridle 1990",
        can=("Encodes", "Classifies"), accepts=("image", "map", "vector", "table"), needs=("label",), cost=50,
    ),
    Row(
        name="probe", module="tacit.methods.supervised.probe", cls="Probe", family="supervised",
        summary="a linear read-out: how much of the labels a representation holds", paper="Alain & Bengio 2016",
        can=("Classifies",), accepts=("vector", "map", "image", "table"), needs=("label",), kind="fitted", cost=2,
    ),
)


def row(name: str) -> Row:
    """Returns a method's row.

    Raises:
        OptionError: If there is no method of that name.

    Example:
        >>> row("vae").family
        'autoencoders'
        >>> row("vea")
        Traceback (most recent call last):
        ...
        tacit.errors.OptionError: there is no method 'vea'. Did you mean 'vae'? 'tacit methods' lists them all
    """
    known = {r.name: r for r in CATALOG}
    if name not in known:
        raise OptionError(f"there is no method {name!r}.{did_you_mean(name, known)} 'tacit methods' lists them all")
    return known[name]


def method_class(name: str) -> type[Method]:
    """Imports a method's class, and torch with it.

    Raises:
        OptionError: If there is no method of that name.
    """
    known = row(name)
    cls: type[Method] = getattr(importlib.import_module(known.module), known.cls)
    return cls


def capability(word: str) -> str:
    """Returns the capability that a word names: its own name, its call, or the verb that asks for it.

    Raises:
        OptionError: If no capability is called so.

    Example:
        >>> capability("score"), capability("log-prob"), capability("Embeds")
        ('Scores', 'Density', 'Embeds')
    """
    names = {alias: name for name, aliases in WORDS.items() for alias in (name.lower(), *aliases)}
    plain = word.lower().replace("-", "_")
    if plain not in names:
        raise OptionError(f"no method is asked to {word!r}.{did_you_mean(plain, names)} "
                          f"It can be asked to {', '.join(aliases[-1] for aliases in WORDS.values())}")
    return names[plain]


def select(can: str | None = None, for_: str | None = None) -> tuple[Row, ...]:
    """Returns the methods that have a capability and take a kind of data; those that like the kind best come first.

    Arguments:
        can: A capability in any of its words, or None for all.
        for_: A kind of data, or None for all.

    Example:
        >>> [r.name for r in select(can="sample", for_="vector")][:2]
        ['pca', 'gmm']
    """
    wanted = capability(can) if can else None
    rows = [r for r in CATALOG if (not wanted or wanted in r.can) and (not for_ or for_ in r.accepts)]
    return tuple(sorted(rows, key=lambda r: r.accepts.index(for_)) if for_ else rows)
