"""Probes of representations beside those of what needs no learning."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

import tacit
from tacit.errors import DataError
from tacit.evaluation import representation, untrained
from tacit.evaluation.case import Case
from tacit.evaluation.probing import Features, chosen_strength, linear_probe, standardised
from tacit.evaluation.representation import flat, projected


def case_of(run):
    data = run.data()
    train, test = data.take(data.training), data.take(data.testing)
    return Case(run, train, test, ("the training samples", "the held-out samples"), None)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(representation, "DRAWS", 2)


def test_all_that_is_compared(little_digits, tmp_path):
    run = tacit.fit("classifier", little_digits, out=tmp_path / "run", steps=2, features=12, net="mlp", width=9)
    state = torch.get_rng_state()
    case = case_of(run)
    found = {(m.name, m.of): m for m in [*representation.ask(case), *representation.ask_baselines(case)]}
    assert torch.equal(torch.get_rng_state(), state)
    for name in ("linear probe accuracy", "kNN accuracy"):
        whole = {of for n, of in found if n == name and "label" not in of}
        assert whole == {"", "pixels", "PCA", "random weights", *(f"layer {x}" for x in run.method.layers())}
    few = {of for _, of in found if of.endswith("labels") or of.endswith("label")}
    assert {"1 label", "5 labels", "10 labels", "PCA, 1 label", "layer last, 10 labels"} <= few
    assert not few & {"50 labels", "layer last, 5 labels"}  # no class has so many; layers have one count
    assert all(0 <= m.low <= m.value <= m.high <= 1 for m in found.values())
    assert "12 values" in found["linear probe accuracy", ""].protocol
    assert "12 values" in found["linear probe accuracy", "PCA"].protocol
    assert "64 values" in found["linear probe accuracy", "pixels"].protocol


def test_probe_of_the_representation_is_the_probe_of_its_features(little_digits, tmp_path):
    run = tacit.fit("pca", little_digits, latent=5, out=tmp_path / "run")
    case = case_of(run)
    found = {(m.name, m.of): m.value for m in [*representation.ask(case), *representation.ask_baselines(case)]}
    assert not any(of.startswith("random weights") for _, of in found)  # it has none
    scaled = standardised(Features(run.encode(case.train), case.train.label, run.encode(case.test), case.test.label))
    strength = chosen_strength(scaled.train, scaled.train_label)
    right = linear_probe(scaled.train, scaled.train_label, scaled.test, strength) == scaled.test_label
    assert found["linear probe accuracy", ""] == pytest.approx(float(right.double().mean()))
    # the run is the PCA that it is compared with
    assert found["linear probe accuracy", "PCA"] == pytest.approx(found["linear probe accuracy", ""], abs=0.04)


def test_samples_without_a_label_do_not_count(little_digits, tmp_path):
    x, label = little_digits
    run = tacit.fit("pca", (x, label), latent=5, out=tmp_path / "run", split=0.4)
    case = case_of(run)
    case.test.label[::2] = -1
    case.test.x[::2] = 0
    found = next(representation.ask(case))
    assert f"accuracy on the {len(case.test) // 2} labelled" in found.protocol


def test_without_labels_there_is_nothing_to_probe_for(tmp_path):
    run = tacit.fit("pca", torch.randn(50, 4).numpy(), latent=2, out=tmp_path / "run")
    with pytest.raises(DataError, match="a probe needs labels of at least two classes"):
        next(representation.ask(case_of(run)))


def test_axes_are_the_librarys():
    x = torch.randn(80, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 7)
    features = Features(x[:60], torch.zeros(60).long(), x[60:], torch.zeros(20).long())
    made, reference = projected(features, 3, 0), PCA(3).fit(x[:60].numpy())
    np.testing.assert_allclose(made.test.abs(), np.abs(reference.transform(x[60:].numpy())), atol=1e-4)


def test_flat_averages_over_places():
    x = torch.randn(2, 32, 8, 8)
    torch.testing.assert_close(flat(x), x.view(2, 32, 4, 2, 4, 2).mean((3, 5)).flatten(1))
    assert flat(torch.randn(2, 2_000, 4, 4)).shape == (2, 2_000)  # 2 x 2 would be more than 4,096
    assert flat(torch.randn(2, 3, 100, 60), 100).shape == (2, 3 * 36 * 36)
    assert flat(torch.randn(2, 10, 1_000)).shape == (2, 4_096)
    assert torch.equal(flat(x[:, :4]), x[:, :4].flatten(1))


def test_copy_has_other_weights_and_the_original_keeps_its_own(little_digits, tmp_path):
    run = tacit.fit("ae", little_digits, steps=5, out=tmp_path / "run")
    case, before = case_of(run), {k: v.clone() for k, v in run.method.state_dict().items()}
    copies = [untrained.untrained(run, case.train, seed) for seed in (0, 0, 1)]
    z = [copy.encode(case.test) for copy in copies]
    assert torch.equal(z[0], z[1]) and not torch.equal(z[0], z[2])
    assert z[0].shape == run.encode(case.test).shape and not torch.equal(z[0], run.encode(case.test))
    assert all(torch.equal(v, before[k]) for k, v in run.method.state_dict().items())


def test_copy_of_a_lineage_stands_on_its_own_parents(little_digits, tmp_path):
    first = tacit.fit("pca", little_digits, latent=8, out=tmp_path / "pca")
    second = tacit.fit("ae", first, latent=4, steps=5, out=tmp_path / "ae")
    run = tacit.fit("pca", second, latent=2, out=tmp_path / "run")
    case = case_of(run)
    copy = untrained.untrained(run, case.train, 0)
    torch.testing.assert_close(copy.chain.parents[0].axes.abs(), first.method.axes.abs(), atol=1e-3, rtol=0)
    seen = copy.chain.features(case.train.batch(torch.arange(len(case.train))).x).detach()
    torch.testing.assert_close(seen.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    assert float(seen.square().mean()) == pytest.approx(1, abs=1e-3)
    z = copy.encode(case.train)
    torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=1e-3, rtol=0)  # fitted on the copy's own latents
    assert z[:, 0].std() > z[:, 1].std()


def test_norms_of_the_copy_know_their_data(little_digits, tmp_path):
    large = np.kron(little_digits[0], np.ones((1, 2, 2), np.uint8))  # one block would have no norm
    run = tacit.fit("dcgan", (large, little_digits[1]), steps=2, width=4, out=tmp_path / "run")
    case = case_of(run)
    copy = untrained.untrained(run, case.train, 0)
    x = case.train.batch(torch.arange(len(case.train))).x
    norms = [m for m in copy.method.discriminator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and not copy.method.training
    seen = []
    hook = norms[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.no_grad():
        copy.method.encode(x)
    hook.remove()
    torch.testing.assert_close(norms[0].running_mean, seen[0].mean((0, 2, 3)), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(norms[0].running_var, seen[0].var((0, 2, 3)), atol=1e-5, rtol=1e-2)
