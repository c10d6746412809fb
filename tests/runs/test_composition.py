"""A run is a dataset: every composition rule, and that nothing leaks across the split."""

import pytest
import torch

import tacit
from tacit.protocol import Bridge, Chain, Method, Spec, capabilities
from tacit.runs.opening import open_run, read_options


@pytest.fixture(scope="module")
def vae(tmp_path_factory, little_digits):
    return tacit.fit("vae", little_digits, latent=4, steps=30, batch=32, out=tmp_path_factory.mktemp("vae") / "vae")


@pytest.fixture(scope="module")
def pca(tmp_path_factory, little_digits):
    return tacit.fit("pca", little_digits, latent=5, out=tmp_path_factory.mktemp("pca") / "pca")


def test_latents_are_delivered_standardised_by_training_samples_only(vae):
    data, bridge = open_run(vae, read_options({}), ("vector",))
    assert str(data.spec) == "vector 4"
    seen = data.x[data.training]
    assert seen.mean(0).abs().max() < 1e-4
    assert abs(seen.square().mean().sqrt() - 1) < 1e-4
    z = vae.encode()
    assert torch.allclose(bridge(z), data.x, atol=1e-6)
    assert torch.allclose(bridge.inverse(bridge(z)), z, atol=1e-5)
    ratio = (z - z.mean(0)).norm(dim=1) / (data.x - data.x.mean(0)).norm(dim=1)
    assert ratio.std() / ratio.mean() < 1e-4, "one zoom for all: the parent's geometry is kept"


def test_held_out_samples_of_a_child_are_those_of_its_root(vae, digits_data, tmp_path):
    for seed in (0, 7):
        child = tacit.fit("kmeans", vae, clusters=3, seed=seed, out=tmp_path / f"k{seed}")
        grandchild = tacit.fit("probe", vae, seed=seed, out=tmp_path / f"p{seed}")
        for run in (child, grandchild):
            data, _ = open_run(run.parent, read_options({}), ("vector",))
            assert torch.equal(data.held_out, digits_data.held_out)
            assert list(data.ids) == list(digits_data.ids)


class Spy(Method):
    """Remembers what it was fitted on."""

    def fit(self, x):
        self.seen = x.clone()

    def encode(self, x):
        return x


def test_a_child_never_sees_a_held_out_sample(vae):
    data, _ = open_run(vae, read_options({}), ("vector",))
    spy = Spy(data.spec)
    from tacit.training.fitted import fit_at_once
    from tacit.training.options import TrainOptions

    fit_at_once(spy, data, TrainOptions(), say=print)
    held_out = data.x[data.testing]
    assert len(spy.seen) == len(data.training)
    assert not (spy.seen[:, None] == held_out[None]).all(-1).any()


def test_gmm_on_a_vae_samples_images_and_kmeans_takes_images(vae, little_digits, tmp_path):
    prior = tacit.fit("gmm", vae, components=3, out=tmp_path / "gmm")
    made = prior.sample(6)
    assert made.shape == (6, 1, 8, 8) and 0 <= made.min() and made.max() <= 1
    assert torch.allclose(prior.chain.restore(prior.method.sample(2, generator=torch.Generator().manual_seed(0))),
                          prior.sample(2, seed=0))
    assert prior.density_over() == "the latents of VAE"
    clusters = tacit.fit("kmeans", vae, clusters=3, out=tmp_path / "kmeans")
    raw = little_digits[0][:7]
    by_hand = clusters.method.assign(clusters.chain.features(torch.from_numpy(raw)[:, None] / 255))
    assert torch.equal(clusters.assign(raw), by_hand)


def test_kmeans_on_a_map_takes_images_through_both(pca, little_digits, tmp_path):
    mapped = tacit.fit("tsne", pca, perplexity=10.0, iterations=50, out=tmp_path / "map")
    clusters = tacit.fit("kmeans", mapped, clusters=3, out=tmp_path / "clusters")
    assert [r.method_name for r in clusters.lineage] == ["pca", "tsne", "kmeans"]
    assert clusters.method.spec.shape == (2,)
    assert clusters.assign().shape == (300,)
    again = tacit.load(clusters.path)
    assert torch.equal(again.assign(little_digits[0]), clusters.assign(little_digits[0]))


def test_gradients_flow_through_a_chain(vae, tmp_path):
    prior = tacit.fit("gmm", vae, components=2, out=tmp_path / "gmm")
    x = torch.rand(3, 1, 8, 8, requires_grad=True)
    prior.chain.log_prob(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_density_crosses_an_invertible_parent(tmp_path):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 3, generator=generator) @ torch.tensor([[2.0, 0, 0], [1, 1, 0], [0, 0.5, 0.3]])
    whole = tacit.fit("pca", x, latent=3, out=tmp_path / "pca")
    assert "Invertible" in whole.capabilities
    child = tacit.fit("gmm", whole, components=1, covariance="full", out=tmp_path / "gmm")
    direct = tacit.fit("gmm", x, components=1, covariance="full", out=tmp_path / "direct")
    assert child.density_over() == "the data"
    assert torch.allclose(child.log_prob(x), direct.log_prob(x), atol=2e-3)
    part = tacit.fit("pca", x, latent=2, out=tmp_path / "part")
    assert "Invertible" not in part.capabilities
    assert tacit.fit("gmm", part, components=1, out=tmp_path / "over").density_over() == "the latents of PCA"


def test_a_parent_that_cannot_decode_takes_sampling_away(tmp_path, pca):
    class Blind(Method):
        def encode(self, x):
            return x.flatten(1)

    class Child(Method):
        def sample(self, n, *, generator=None):
            return torch.zeros(n, 2)

        def assign(self, x):
            return x.argmax(1)

    spec = Spec("vector", (2,))
    chain = Chain(Child(spec), [Blind(spec)], [Bridge("encode", spec)])
    assert capabilities(chain) == {"Clusters"}
    with pytest.raises(tacit.CapabilityError, match="cannot sample through its parents; it can assign"):
        chain.sample(2)


def test_a_run_that_makes_no_representation_is_refused(tmp_path, little_digits):
    ddpm = tacit.fit("ddpm", little_digits, steps=2, batch=16, width=8, out=tmp_path / "ddpm")
    with pytest.raises(tacit.CapabilityError, match="kmeans takes .*makes no representation; it can"):
        tacit.fit("kmeans", ddpm)
    with pytest.raises(tacit.CapabilityError, match="ddpm cannot encode; it can"):
        ddpm.encode()


def test_features_of_a_discriminator_are_not_what_its_generator_decodes(tmp_path, little_digits):
    gan = tacit.fit("gan", little_digits, steps=2, batch=16, width=4, out=tmp_path / "gan")
    child = tacit.fit("gmm", gan, components=2, out=tmp_path / "gmm")
    assert "Samples" in gan.capabilities and child.capabilities == {"Scores", "Clusters", "Density"}


def test_a_child_refuses_what_its_root_decides(vae):
    with pytest.raises(tacit.OptionError, match="--split-seed is decided by the root"):
        tacit.fit("kmeans", vae, split_seed=3)


def test_latents_are_computed_once(vae, monkeypatch):
    first, _ = open_run(vae, read_options({}), ("vector",))
    monkeypatch.setattr(type(vae), "encode", lambda *a, **k: pytest.fail("encoded again"))
    second, _ = open_run(vae, read_options({}), ("vector",))
    assert torch.equal(first.x, second.x)


def test_stochastic_latents_differ_from_their_mean(vae):
    mean, _ = open_run(vae, read_options({}), ("vector",))
    drawn, _ = open_run(vae, read_options({"stochastic": True}), ("vector",))
    again, _ = open_run(vae, read_options({"stochastic": True}), ("vector",))
    assert not torch.allclose(mean.x, drawn.x) and torch.equal(drawn.x, again.x)


def test_codes_go_down_and_samples_come_up():
    """A tokenizing parent hands int64 codes to its child, and turns the child's samples into its own kind."""

    class Halves(Method):
        codes = 2

        def tokenize(self, x):
            return (x > 0.5).long()

        def detokenize(self, c):
            return c.float()

    class Coin(Method):
        accepts = ("codes",)

        def sample(self, n, *, generator=None):
            return torch.randint(2, (n, 3), generator=generator)

    chain = Chain(Coin(Spec("codes", (3,), codes=2)), [Halves(Spec("vector", (3,)))],
                  [Bridge("tokenize", Spec("codes", (3,), codes=2))])
    assert chain.features(torch.rand(2, 3)).dtype == torch.int64
    assert chain.sample(4, generator=torch.Generator().manual_seed(0)).dtype == torch.float32
