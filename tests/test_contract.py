"""What every method of the catalogue promises."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import tacit
from tacit.catalog import CATALOG, method_class
from tacit.data.feed import Feed
from tacit.protocol import Batch, Clock, Spec, capabilities

ROWS = {row.name: row for row in CATALOG}
TRAINED = [name for name, row in ROWS.items() if row.kind == "trained"]


class Own(nn.Module):
    """An encoder such as a person brings along."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 4, stride=4)

    def forward(self, x):
        return self.conv(x).flatten(1)


QUICK = {
    "tsne": {"iterations": 50, "perplexity": 10.0}, "umap": {"iterations": 50}, "ddpm": {"width": 8},
    "pretrained": {"encoder": Own()}, "vqvae": {"codes": 64, "width": 16},
    "pixelcnn": {"width": 8, "layers": 2}, "pixelvae": {"stack_width": 8, "layers": 2},
    "pix2pix": {"width": 8}, "cyclegan": {"width": 4, "blocks": 1}, "srresnet": {"width": 8, "blocks": 1},
    "srgan": {"width": 8, "blocks": 1, "critic_width": 8, "pretrain": 0.0}, "infogan": {"width": 8},
}
DERIVED = {"pix2pix": "blur:1", "srresnet": "low-resolution:2", "srgan": "low-resolution:2"}  # what they restore


def options(name):
    return QUICK.get(name, {}) | ({"steps": 3, "batch": 32} if name in TRAINED else {})


@pytest.fixture(scope="module")
def sources(tmp_path_factory, little_digits):
    """The same 300 digits for every method: alone, with partners, or half of them as another domain."""
    images, labels = little_digits
    folder = tmp_path_factory.mktemp("sources")
    np.savez(folder / "others.npz", x=images[150:])
    alone = tacit.open_data(little_digits)
    derived = {kind: tacit.open_data(little_digits, derive=kind) for kind in set(DERIVED.values())}
    two = tacit.open_data((images[:150], labels[:150]), target=str(folder / "others.npz"))
    return lambda name: two if "target" in ROWS[name].needs else derived[DERIVED[name]] if name in DERIVED else alone


def batch_for(data, needs):
    """Returns 32 training samples, as the feed of such a method gives them."""
    return Feed(data, 32, needs=needs).round(0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, sources):
    """One run of every method on its source, made when first asked for."""
    folder = tmp_path_factory.mktemp("contract")
    made = {}

    def run(name):
        if name not in made:
            made[name] = tacit.fit(name, sources(name), out=folder / name, **options(name))
        return made[name]

    return run


@pytest.mark.parametrize("name", ROWS)
def test_capabilities_keep_their_promises(name, runs, sources):
    run, digits_data = runs(name), sources(name)
    n, shape, able = len(digits_data), digits_data.spec.shape, run.capabilities
    assert able - {"Invertible", "Prior"} <= set(ROWS[name].can)
    assert able, f"{name} can do nothing"
    if "Encodes" in able:
        z = run.encode(digits_data)
        assert z.dtype == torch.float32 and len(z) == n and torch.isfinite(z).all()
        if {"Decodes", "Reconstructs"} <= able:
            assert run.decode(z[:5]).shape == (5, *shape)
    if "Prior" in able:
        drawn = run.method.prior(5, generator=torch.Generator().manual_seed(0))
        assert run.decode(drawn).shape == (5, *shape)
        assert drawn[:, : run.method.gaussian].shape == (5, run.method.gaussian)
    if "Discriminates" in able:
        assert run.discriminate(digits_data).shape == (n,)
    if "Decodes" in able or "Samples" in able or "Reconstructs" in able:
        made = run.sample(5) if "Samples" in able else run.reconstruct(digits_data)[:5]
        assert made.shape == (5, *shape)
        assert 0 <= made.min() and made.max() <= 1
    if "Samples" in able:
        assert torch.equal(run.sample(4, seed=3), run.sample(4, seed=3))
        assert not torch.equal(run.sample(4, seed=3), run.sample(4, seed=4))
    if "Density" in able:
        assert run.log_prob(digits_data).shape == (n,)
        assert run.bound() in {"exact", "lower", "estimate"}
    if "Scores" in able:
        scores = run.score(digits_data)
        assert scores.shape == (n,) and torch.isfinite(scores).all()
        assert torch.equal(scores, run.score(digits_data))
    if "Translates" in able:
        assert run.translate(digits_data).shape == (n, *(run.spec.pair or shape))
        assert 0 <= run.translate(digits_data).min() and run.translate(digits_data).max() <= 1
    if "Classifies" in able:
        assert run.classify(digits_data).shape == (n, 10)
    if "Clusters" in able:
        groups = run.assign(digits_data)
        assert groups.dtype == torch.int64 and groups.shape == (n,) and groups.min() >= -1
    if "Embeds" in able:
        assert run.embed(digits_data).shape == (n, 2)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "Scores" in row.can])
def test_noise_is_stranger_than_digits(name, runs, digits_data, tmp_path):
    steps = {"steps": 250} if name in TRAINED else {}
    run = tacit.fit(name, digits_data, out=tmp_path / name, **options(name) | steps)
    noise = torch.rand(100, *digits_data.spec.shape, generator=torch.Generator().manual_seed(0))
    assert run.score(noise).median() > run.score(digits_data).median()


@pytest.mark.parametrize("name", ROWS)
def test_saved_and_loaded_gives_equal_outputs(name, runs, sources):
    run, digits_data = runs(name), sources(name)
    again = tacit.load(run.path)
    assert again.capabilities == run.capabilities
    for key, tensor in run.method.state_dict().items():
        assert torch.equal(tensor, again.method.state_dict()[key]), key
    for capability, call in [("Encodes", "encode"), ("Embeds", "embed"), ("Clusters", "assign"), ("Scores", "score"),
                             ("Classifies", "classify"), ("Reconstructs", "reconstruct"), ("Translates", "translate"),
                             ("Discriminates", "discriminate")]:
        if capability in run.capabilities:
            assert torch.equal(getattr(run, call)(digits_data), getattr(again, call)(digits_data)), call


@pytest.mark.parametrize("name", ROWS)
def test_same_seed_same_weights(name, runs, sources, tmp_path):
    first, second = runs(name), tacit.fit(name, sources(name), out=tmp_path / name, **options(name))
    for key, tensor in first.method.state_dict().items():
        assert torch.equal(tensor, second.method.state_dict()[key]), key


def fresh(name, spec):
    torch.manual_seed(0)
    return method_class(name)(spec)


@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_has_one_player_and_gets_a_gradient(name, sources):
    method = fresh(name, sources(name).spec)
    batch = batch_for(sources(name), method.needs)
    owners: dict[int, list[str]] = {}
    for player, module in method.players().items():
        for parameter in module.parameters():
            if parameter.requires_grad:
                owners.setdefault(id(parameter), []).append(player)
    own = {key: p for key, p in method.named_parameters() if p.requires_grad}
    assert all(len(owners.get(id(p), [])) == 1 for p in own.values())
    assert set(method.recipe().optim) == set(method.players())
    for p in own.values():
        if not p.any():
            torch.nn.init.normal_(p, std=1e-3)  # a start at 0 hides what lies before it
    moved = set()
    for step in range(1, 6):  # in some games one player moves in every fifth round only
        method.clock = Clock(step, 0.5)
        for loss in method.losses(batch) if moved != set(method.players()) else ():
            assert loss.value.dim() == 0 and torch.isfinite(loss.value)
            assert not any(t.requires_grad for t in loss.terms.values())
            loss.value.backward(inputs=[p for p in method.players()[loss.player].parameters() if p.requires_grad])
            moved.add(loss.player)
    assert moved == set(method.players())
    for key, p in own.items():
        assert p.grad is not None and p.grad.abs().sum() > 0, f"{key} gets no gradient"


@pytest.mark.parametrize("name", TRAINED)
def test_half_precision_is_enough_for_a_round(name, sources):
    """Forwards in bf16 as the trainer has them; what differentiates gradients stays in full precision by itself."""
    method = fresh(name, sources(name).spec)
    batch = batch_for(sources(name), method.needs)
    for step in (1, 4):
        method.clock = Clock(step, 0.5)
        game = method.losses(batch)
        while True:
            with torch.autocast("cpu", torch.bfloat16):
                loss = next(game, None)
            if loss is None:
                break
            own = [p for p in method.players()[loss.player].parameters() if p.requires_grad]
            loss.value.backward(inputs=own)
            assert torch.isfinite(loss.value)
            assert all(p.grad is None or p.grad.isfinite().all() for p in own)


@pytest.mark.parametrize("name", [n for n in TRAINED if "label" not in ROWS[n].needs])
def test_labels_are_out_of_sight(name, sources):
    assert batch_for(sources(name), method_class(name).needs).label is None


TWO_CLASSES = Spec("image", (1, 8, 8), (0, 1), classes=("a", "b"))
COMPARES = {"r3gan"}  # whose generator's turn is to seem more real than the data
GENERATIVE = [n for n in TRAINED if "Discriminates" in ROWS[n].can and n not in COMPARES]


@pytest.mark.parametrize("name", GENERATIVE)
def test_generators_turn_never_touches_the_data(name, digits_data):
    """With x replaced by NaN after the discriminator's turns, the generator's gradients are the same."""

    def gradients(poison):
        method = fresh(name, digits_data.spec)
        method.clock = Clock(4)  # a fifth round
        batch = Batch(digits_data.batch(torch.arange(32)).x.clone())
        torch.manual_seed(1)
        found = []
        for loss in method.losses(batch):
            own = [p for p in method.players()[loss.player].parameters() if p.requires_grad]
            method.zero_grad()
            loss.value.backward(inputs=own)
            if loss.player == "generator":
                found += [p.grad.clone() for p in own]
            elif poison:
                batch.x.fill_(math.nan)
        return found

    clean, poisoned = gradients(False), gradients(True)
    assert clean and all(torch.equal(a, b) for a, b in zip(clean, poisoned, strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_unacceptable_data_are_refused_in_one_line(name):
    with pytest.raises(tacit.UserError, match="takes") as caught:
        method_class(name)(Spec("tokens", (5,), codes=3, classes=("a", "b")))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ROWS)
def test_option_names_are_nobody_elses(name):
    import dataclasses
    import inspect

    from tacit.data.options import ReadOptions
    from tacit.training.options import TrainOptions

    taken = {f.name for o in (ReadOptions, TrainOptions) for f in dataclasses.fields(o)}
    taken |= {"out", "overwrite", "resume", "init_from", "config", "dry_run", "debug", "n", "top", "temperature"}
    own = set(list(inspect.signature(method_class(name)).parameters)[1:])
    assert not own & taken
    assert all(p.kind is p.KEYWORD_ONLY for p in list(inspect.signature(method_class(name)).parameters.values())[1:])


def test_capabilities_of_an_instance_are_those_of_its_calls():
    assert capabilities(fresh("kmeans", Spec("vector", (3,)))) == {"Clusters", "Scores"}
