"""Compression: what comes back, what it costs, and files that are refused."""

import math

import numpy as np
import pytest
import torch

import tacit
from tacit.errors import CapabilityError, DataError, OptionError, RunError
from tacit.functional import entropy_coding as coding
from tacit.protocol import Bridge, Chain, Method, Spec
from tacit.runs.compressing import compress, pack, read, unpack, way_of, write
from tacit.runs.run import Run

pytest.importorskip("constriction")


@pytest.fixture(scope="module")
def vqvae(tmp_path_factory, little_digits):
    folder = tmp_path_factory.mktemp("vqvae") / "vq"
    return tacit.fit("vqvae", little_digits, codes=32, width=8, steps=30, batch=64, out=folder)


@pytest.fixture(scope="module")
def pca(tmp_path_factory, little_digits):
    return tacit.fit("pca", little_digits, latent=20, out=tmp_path_factory.mktemp("pca") / "pca")


def drawn(p, n, width, seed=0):
    return np.random.default_rng(seed).choice(len(p), (n, width), p=p).astype(np.int32)


@pytest.mark.parametrize("rows", [1, 6])
def test_symbols_come_back_at_the_ideal_rate(rows):
    p = np.array([0.9, 0.06, 0.03, 0.01])
    table = coding.frequencies(np.tile(1000 * p, (rows, 1)))
    symbols = drawn(p, 3000, 6)
    stream = coding.encode_each(symbols, table)
    assert np.array_equal(coding.decode_each(stream, table, symbols.shape), symbols)
    entropy = -(p * np.log2(p)).sum() * symbols.size
    assert coding.ideal_bits(symbols, table) == pytest.approx(entropy, rel=0.02)
    assert 32 * len(stream) == pytest.approx(coding.ideal_bits(symbols, table), rel=0.01)


def test_a_symbol_that_was_never_seen_can_be_coded():
    table = coding.frequencies(np.array([[100.0, 0.0, 0.0]]))
    symbols = np.array([[2, 0, 1]], np.int32)
    assert np.array_equal(coding.decode_each(coding.encode_each(symbols, table), table, (1, 3)), symbols)


def test_what_is_predicted_from_before_costs_what_is_left():
    """A chain of symbols each equal to the last nine times in ten."""
    rng, symbols = np.random.default_rng(0), np.zeros((2000, 8), np.int32)
    symbols[:, 0] = rng.integers(4, size=2000)
    for p in range(1, 8):
        stay = rng.random(2000) < 0.9
        symbols[:, p] = np.where(stay, symbols[:, p - 1], (symbols[:, p - 1] + rng.integers(1, 4, 2000)) % 4)

    def given(known, p):
        chances = np.full((len(known), 4), 0.25 if p == 0 else 0.1 / 3, np.float32)
        if p:
            chances[np.arange(len(known)), known[:, p - 1]] = 0.9
        return chances

    stream, bits = coding.encode_with(symbols, given)
    assert np.array_equal(coding.decode_with(stream, given, symbols.shape), symbols)
    entropy = 2000 * (2 + 7 * (-0.9 * math.log2(0.9) - 0.1 * math.log2(0.1 / 3)))
    assert 32 * len(stream) == pytest.approx(bits, rel=0.01) and bits == pytest.approx(entropy, rel=0.03)


def test_codes_come_back_exactly(vqvae, digits_data, tmp_path):
    packed, rate = compress(vqvae, digits_data)
    size = write(packed, tmp_path / "a.tacit")
    again = read(tmp_path / "a.tacit")
    assert size == (tmp_path / "a.tacit").stat().st_size
    assert again.about == packed.about and again.about["ids"] == list(digits_data.ids)
    assert torch.equal(unpack(vqvae, again), vqvae.reconstruct(digits_data))
    assert torch.equal(unpack(tacit.load(vqvae.path), again), vqvae.reconstruct(digits_data))
    assert rate.stream == pytest.approx(rate.ideal, rel=0.02)
    assert rate.stream <= len(digits_data) * 4 * 5, "no more than 5 bits for each of 4 codes of 32"
    mse = (vqvae.reconstruct(digits_data) - digits_data.everything()).square().mean().item()
    assert rate.error == pytest.approx(mse, rel=1e-4) and rate.psnr == pytest.approx(-10 * math.log10(mse), rel=1e-4)


def test_latents_come_back_within_half_a_step(tmp_path):
    x = torch.randn(400, 5, generator=torch.Generator().manual_seed(0)) * torch.tensor([9.0, 3, 1, 0.1, 0.01])
    run = tacit.fit("pca", x, latent=3, out=tmp_path / "pca")
    data = run.open(x)
    z, known = run.encode(data), run.data()
    spread = run.encode(known.take(known.training)).std(0, correction=0)
    for step in (0.1, 1.0):
        apart = (run.encode(unpack(run, pack(run, data, step=step)[0])) - z).abs() / spread
        assert 0.45 * step < apart.max() <= 0.501 * step


def test_a_finer_step_costs_more_and_loses_less(pca, digits_data):
    rates = [compress(pca, digits_data, step=step)[1] for step in (2.0, 0.5, 0.125)]
    bits, errors = [r.bits for r in rates], [r.error for r in rates]
    assert bits == sorted(bits) and errors == sorted(errors, reverse=True)
    assert all(r.stream == pytest.approx(r.ideal, rel=0.02) for r in rates)


class Repeats(Method):
    """Foresees that each code is like the last."""

    accepts = ("codes",)

    def code_logits(self, c):
        flat = c.flatten(1)
        before = torch.cat([torch.zeros_like(flat[:, :1]), flat[:, :-1]], 1)
        return 3 * torch.nn.functional.one_hot(before, self.spec.codes).float().movedim(-1, 1).unflatten(2, c.shape[1:])


def test_a_prior_over_codes_is_used(vqvae, digits_data):
    spec = Spec("codes", (2, 2), codes=32)
    chain = Chain(Repeats(spec), [vqvae.method], [Bridge("tokenize", spec)])
    run = Run(vqvae.path, vqvae.record, chain, None, vqvae.data())
    assert way_of(run) == "predicted"
    packed, rate = compress(run, digits_data)
    assert torch.equal(unpack(run, packed), vqvae.reconstruct(digits_data))
    codes = vqvae.tokenize(digits_data)
    log_p = chain.method.code_logits(codes).log_softmax(1).gather(1, codes[:, None]).sum().item()
    assert rate.ideal == pytest.approx(-log_p / math.log(2), rel=1e-4)
    assert rate.stream == pytest.approx(rate.ideal, rel=0.02)


def test_another_run_is_refused(vqvae, pca, digits_data):
    packed, _ = pack(vqvae, digits_data.take(torch.arange(5)))
    with pytest.raises(RunError, match="not the run that compressed this.*--run names"):
        unpack(pca, packed)


def test_damaged_and_foreign_files(vqvae, digits_data, tmp_path):
    path = tmp_path / "a.tacit"
    write(pack(vqvae, digits_data.take(torch.arange(5)))[0], path)
    whole = path.read_bytes()
    for content, said in [
        (whole[:-3], "cut short"), (whole[:40], "cut short"), (whole[:60] + b"x" + whole[61:], "damaged"),
        (b"PK\x03\x04 a zip", "no compressed file"), (b"", "no compressed file"),
        (whole[:7] + b"\x02" + whole[8:], "another version"),
    ]:  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(DataError, match=said):
            read(path)
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "none.tacit")


def test_what_cannot_be_asked(pca, digits_data, tmp_path, little_digits):
    for step in (0.0, -1.0, math.nan):
        with pytest.raises(OptionError, match="must be above 0"):
            compress(pca, digits_data, step=step)
    with pytest.raises(OptionError, match="a larger one"):
        compress(pca, digits_data, step=1e-9)
    kmeans = tacit.fit("kmeans", little_digits, clusters=3, out=tmp_path / "kmeans")
    with pytest.raises(CapabilityError, match="kmeans cannot compress"):
        way_of(kmeans)
