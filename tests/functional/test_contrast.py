"""NT-Xent against the equation written out, and shared by two processes."""

import math
import os
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from tacit.functional.contrast import gathered, nt_xent


def embeddings(n: int = 5, d: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, n, d, dtype=torch.float64, generator=generator))


def slow(a: Tensor, b: Tensor, temperature: float) -> float:
    z = [*a, *b]
    n, total = len(a), 0.0

    def similarity(i: int, k: int) -> float:
        return float(z[i] @ z[k] / (z[i].norm() * z[k].norm()))

    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        others = sum(math.exp(similarity(i, k) / temperature) for k in range(2 * n) if k != i)
        total -= math.log(math.exp(similarity(i, partner) / temperature) / others)
    return total / (2 * n)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_equation_1(n: int, temperature: float) -> None:
    a, b = embeddings(n)
    assert abs(float(nt_xent(a, b, temperature)[0]) - slow(a, b, temperature)) < 1e-12


def test_gradient() -> None:
    a, b = (z.requires_grad_() for z in embeddings(3))
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.5)[0], (a, b))


def test_views_samples_and_lengths_may_be_exchanged() -> None:
    a, b = embeddings()
    loss, order = nt_xent(a, b)[0], torch.tensor([3, 0, 4, 1, 2])
    for other in (nt_xent(b, a), nt_xent(a[order], b[order]), nt_xent(3 * a, b / 7)):
        torch.testing.assert_close(other[0], loss, rtol=1e-12, atol=0)
    assert abs(float(nt_xent(a, b[order])[0] - loss)) > 1e-3, "partners matter"


def test_closed_forms() -> None:
    same = torch.ones(6, 3)
    torch.testing.assert_close(nt_xent(same, same)[0], torch.tensor(11.0).log())  # chance: log(2 N - 1)
    loss, accuracy = nt_xent(torch.eye(6), torch.eye(6), 0.5)
    torch.testing.assert_close(loss, torch.tensor(math.log(1 + 10 * math.exp(-2))))  # cosine 1 against ten of 0
    assert accuracy == 1
    crossed = nt_xent(torch.eye(2), torch.eye(2).flip(0))  # each is nearest to the other's partner
    assert crossed[1] == 0


def test_half_precision_ends_at_the_cosines() -> None:
    a, b = embeddings(64, 32)
    with torch.autocast("cpu", torch.bfloat16):
        low = nt_xent(a.bfloat16(), b.bfloat16(), 0.1)[0]
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, nt_xent(a.bfloat16().double(), b.bfloat16().double(), 0.1)[0].float())


def test_alone_nothing_is_gathered() -> None:
    a, _ = embeddings()
    assert gathered(a) is a


TWO = """
import sys, torch
import torch.distributed as dist
from tacit.functional.contrast import gathered, nt_xent

torch.set_num_threads(1)
rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
x, weight = torch.load(f"{folder}/data.pt")
weight.requires_grad_()
a, b = (view[4 * rank : 4 * rank + 4] @ weight for view in x)
loss = nt_xent(gathered(a), gathered(b), 0.5)[0]
loss.backward()
mean = torch.cat([loss.detach().view(1), weight.grad.flatten()]) / 2
dist.all_reduce(mean)  # as the trainer does: the mean, weighted by equal samples
if rank == 0:
    torch.save(mean, f"{folder}/mean.pt")
dist.destroy_process_group()
"""


def test_two_processes_have_the_gradient_of_one(tmp_path) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 8, 6, dtype=torch.float64, generator=generator)
    weight = torch.randn(6, 3, dtype=torch.float64, generator=generator)
    torch.save((x, weight), tmp_path / "data.pt")
    (tmp_path / "script.py").write_text(TWO)
    command = [sys.executable, str(tmp_path / "script.py")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    both = [subprocess.Popen([*command, str(rank), str(tmp_path)], env=env, stderr=subprocess.PIPE, text=True)
            for rank in (0, 1)]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    weight.requires_grad_()
    loss = nt_xent(x[0] @ weight, x[1] @ weight, 0.5)[0]
    loss.backward()
    alone = torch.cat([loss.detach().view(1), weight.grad.flatten()])
    torch.testing.assert_close(torch.load(tmp_path / "mean.pt"), alone, rtol=0, atol=1e-12)


def test_more_noise_is_a_greater_loss() -> None:
    a, _ = embeddings(32, 16)
    noise = torch.randn(32, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    losses = [float(nt_xent(a, a + s * noise)[0]) for s in (0, 0.5, 2, 100)]
    assert all(p < q for p, q in pairwise(losses))
