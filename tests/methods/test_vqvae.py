"""The VQ-VAE: its loss by a slow loop, who gets which gradient, what is invariant, micro-batches, codes and back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import tacit
from tacit.errors import DataError, OptionError
from tacit.functional.likelihoods import gaussian
from tacit.methods.autoencoders.vqvae import SETTLED, VQVAE
from tacit.protocol import Batch, Clock, Column, Loss, Spec, capabilities

IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))
TABLE = Spec("table", (5,), columns=(
    Column("a", "number", 0), Column("b", "category", 1, ("x", "y", "z")), Column("c", "number", 4)))  # fmt: skip
LITTLE = {"codes": 16, "code_width": 4, "width": 8}


def made(spec: Spec = IMAGE, **options: object) -> VQVAE:
    torch.manual_seed(0)
    return VQVAE(spec, **{**LITTLE, **options})  # type: ignore[arg-type]


def started(vqvae: VQVAE, x: Tensor) -> VQVAE:
    """With its codes at places of the data's."""
    loss = loss_of(vqvae, x)
    assert loss.after is not None
    with torch.no_grad():
        loss.after(loss.stats)
    return vqvae


def loss_of(vqvae: VQVAE, x: Tensor, progress: float = 0.0) -> Loss:
    vqvae.clock = Clock(0, progress)
    (loss,) = vqvae.losses(Batch(x))
    return loss


def test_the_loss_is_the_slow_sum() -> None:
    x = torch.rand(3, 1, 8, 8)
    vqvae = started(made(sigma=0.2, commitment=0.7), x)
    z, book, total = vqvae.vectors(x).detach(), vqvae.quantiser.codebook(), 0.0
    for n in range(3):
        e = torch.zeros(1, 4, 2, 2)
        for a in range(2):
            for b in range(2):
                e[0, :, a, b] = min(book, key=lambda k: float((z[n, :, a, b] - k).square().sum()))
                total += 0.7 * (z[n, :, a, b] - e[0, :, a, b]).square().sum().item() / 3
        p = torch.distributions.Normal(vqvae.decoder(e)[0].sigmoid(), 0.2)
        total -= p.log_prob(x[n]).sum().item() / 3
    assert loss_of(vqvae, x).value.item() == pytest.approx(total, rel=1e-5)


def test_commitment_reaches_the_encoder_only_and_the_codebook_has_no_gradient() -> None:
    x = torch.rand(3, 1, 8, 8)
    vqvae = started(made(), x)
    vqvae.quantiser(vqvae.vectors(x)).distance.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in vqvae.encoder.parameters())
    assert all(p.grad is None for p in vqvae.decoder.parameters())
    assert not list(vqvae.quantiser.parameters())


def test_the_encoder_gets_the_decoders_gradient_unchanged() -> None:
    x = torch.rand(3, 1, 8, 8)
    vqvae = started(made(commitment=0.0), x)
    z = vqvae.vectors(x).detach()
    e = vqvae.quantiser(z).vectors.requires_grad_()
    (-vqvae.observation(x, vqvae.decoder(e)).mean()).backward()
    kept: list[Tensor] = []
    vqvae.encoder.register_forward_hook(lambda _, __, out: out.register_hook(kept.append) and None)
    loss_of(vqvae, x).value.backward()
    torch.testing.assert_close(kept[0], e.grad)


def test_the_loss_depends_on_neither_the_batch_nor_the_tiling() -> None:
    """Of pointwise nets a tiled image has as many times the loss as it has tiles, and no other balance."""
    nets = {"encoder": nn.Conv2d(1, 4, 4, stride=4), "decoder": nn.ConvTranspose2d(4, 1, 4, stride=4)}
    wide, x = Spec("image", (1, 8, 24), (0.0, 1.0)), torch.rand(5, 1, 8, 8)
    one = started(made(sigma=0.3, **nets), x)
    three = made(wide, sigma=0.3, **nets)
    three.load_state_dict(one.state_dict())
    losses = [loss_of(one, x), loss_of(one, x.repeat(4, 1, 1, 1)), loss_of(three, x.repeat(1, 1, 1, 3))]
    for name in ("reconstruction", "commitment"):
        first, larger, tiled = (loss.terms[name].item() for loss in losses)
        assert larger == pytest.approx(first, rel=1e-4) and tiled == pytest.approx(3 * first, rel=1e-4)


def test_micro_batches_move_the_codebook_as_the_whole_batch_does() -> None:
    x = torch.rand(12, 1, 8, 8)
    whole, parts = started(made(restart=0.0), x), started(made(restart=0.0), x)
    with torch.no_grad():
        loss = loss_of(whole, x)
        pieces = [loss_of(parts, x[i : i + 4]) for i in (0, 4, 8)]
        assert loss.after is not None and pieces[0].after is not None
        loss.after(loss.stats)
        pieces[0].after({name: sum(p.stats[name] for p in pieces) for name in loss.stats})  # type: ignore[misc]
    torch.testing.assert_close(whole.quantiser.codebook(), parts.quantiser.codebook())
    torch.testing.assert_close(whole.usage.share, parts.usage.share)


def test_the_output_uses_the_codebook_from_before_the_move() -> None:
    x = torch.rand(12, 1, 8, 8)
    vqvae = started(made(), x)
    before = vqvae.quantiser.codebook().clone()
    vectors = vqvae.quantiser(vqvae.vectors(x)).vectors.movedim(1, -1).flatten(0, -2)
    assert torch.cdist(vectors, before).min(1).values.max() < 1e-3
    assert vqvae.restarts == 0


def test_no_code_is_restarted_towards_the_end() -> None:
    x = torch.rand(12, 1, 8, 8)
    for progress, some in ((SETTLED, False), (SETTLED - 0.01, True)):
        vqvae = started(made(), x)
        vqvae.quantiser.cluster_size[:8] = 1e-6
        loss = loss_of(vqvae, x[:1], progress)
        assert loss.after is not None
        with torch.no_grad():
            loss.after(loss.stats)
        assert bool(vqvae.restarts) == some


@pytest.mark.parametrize("options", [{}, {"quantiser": "fsq", "levels": "4,3"}], ids=["vq", "fsq"])
@pytest.mark.parametrize(("spec", "grid"), [
    (IMAGE, (2, 2)), (Spec("image", (3, 11, 6), (0.0, 1.0)), (3, 2)), (TABLE, (8,)), (Spec("vector", (3,)), (8,)),
    (Spec("map", (4, 4, 4)), (1, 1)),
], ids=["image", "odd", "table", "vector", "map"])  # fmt: skip
def test_codes_and_back(options: dict[str, str], spec: Spec, grid: tuple[int, ...]) -> None:
    x = torch.rand(6, *spec.shape)
    vqvae = started(made(spec, **options), x)
    assert capabilities(vqvae) == {"Encodes", "Tokenizes", "Decodes", "Scores", "Reconstructs"}
    c, z = vqvae.tokenize(x), vqvae.encode(x)
    assert c.dtype == torch.int64 and c.shape == (6, *grid) and 0 <= c.min() and c.max() < vqvae.codes
    assert z.shape == ((6, vqvae.quantiser.width, *grid) if len(grid) > 1 else (6, vqvae.quantiser.width * grid[0]))
    restored = vqvae.detokenize(c)
    assert restored.shape == x.shape
    torch.testing.assert_close(vqvae.decode(z), restored)
    torch.testing.assert_close(vqvae.decode(z + 1e-4), restored, msg="a latent near a code's is taken for it")
    torch.testing.assert_close(vqvae.reconstruct(x), restored)
    torch.testing.assert_close(vqvae.anomaly_score(x), -vqvae.log_likelihood(x, c))
    assert restored.min() >= 0 or spec.range is None


def test_log_likelihood_is_that_of_the_reconstruction() -> None:
    x = torch.rand(6, 1, 8, 8)
    vqvae = started(made(sigma=0.3), x)
    c = torch.randint(16, (6, 2, 2))
    torch.testing.assert_close(
        vqvae.log_likelihood(x, c), gaussian(x, vqvae.detokenize(c), torch.tensor(0.3).log()))
    assert vqvae.discrete is False and made(likelihood="logistic").discrete


def test_your_own_modules_decide_the_grid() -> None:
    """A sequence, channels first: one grid axis of whatever length."""
    encoder, decoder = nn.Conv1d(2, 4, 4, stride=2), nn.ConvTranspose1d(4, 2, 4, stride=2)
    vqvae, x = made(Spec("vector", (2, 20)), encoder=encoder, decoder=decoder), torch.randn(3, 2, 20)
    assert vqvae.tokenize(x).shape == (3, 9)
    assert vqvae.reconstruct(x).shape == x.shape
    with pytest.raises(OptionError, match=r"puts out \(3, 5\); expected vectors of 4"):
        made(Spec("vector", (2,)), encoder=nn.Linear(2, 5)).tokenize(torch.randn(3, 2))


def test_it_learns_to_restore_what_has_few_forms() -> None:
    """Images made of 8 patches in 4 places: 16 codes of a place are enough, and are found."""
    torch.manual_seed(0)
    patches = (torch.rand(8, 4, 4) > 0.5).float()
    which = torch.randint(8, (200, 2, 2))
    x = patches[which].permute(0, 1, 3, 2, 4).reshape(200, 1, 8, 8)
    vqvae = made(width=16, encoder=nn.Conv2d(1, 4, 4, stride=4), decoder=nn.ConvTranspose2d(4, 1, 4, stride=4))
    adam = torch.optim.Adam(vqvae.parameters(), lr=0.02)
    for step in range(200):
        loss = loss_of(vqvae, x[torch.randperm(200)[:64]], progress=step / 200)
        adam.zero_grad()
        loss.value.backward()
        adam.step()
        assert loss.after is not None
        with torch.no_grad():
            loss.after(loss.stats)
    codes = vqvae.tokenize(x)
    for patch in range(8):
        own = codes[which == patch].unique()
        assert not torch.isin(codes[which != patch], own).any(), "no code stands for two patches"
    assert (vqvae.reconstruct(x) - x).abs().mean() < 0.1


def test_a_run_is_saved_with_its_codebook_and_is_a_source_of_codes(tmp_path, little_digits) -> None:  # type: ignore[no-untyped-def]
    run = tacit.fit("vqvae", little_digits, codes=32, width=8, steps=20, batch=64, out=tmp_path / "vq")
    again = tacit.load(run.path)
    assert again.method.quantiser.started
    assert torch.equal(again.tokenize(little_digits[0]), run.tokenize(little_digits[0]))
    assert torch.equal(again.reconstruct(little_digits[0]), run.reconstruct(little_digits[0]))
    from tacit.runs.opening import open_run, read_options

    data, bridge = open_run(run, read_options({}), ("codes",))
    assert data.spec == Spec("codes", (2, 2), codes=32, classes=data.spec.classes) and bridge.via == "tokenize"
    assert str(open_run(run, read_options({}), ("map",))[0].spec) == "map 64 x 2 x 2"


@pytest.mark.parametrize(("options", "said"), [
    ({"codes": 1}, "--codes is 1"), ({"positions": 0}, "--positions is 0"), ({"levels": "4,4"}, "take --quantiser fsq"),
    ({"restart": 1.0}, "--restart 1"),
])  # fmt: skip
def test_bad_options(options: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        made(Spec("vector", (3,)), **options)


def test_bad_data() -> None:
    with pytest.raises(DataError, match="take gaussian"):
        made(Spec("vector", (3,)), likelihood="bernoulli")
