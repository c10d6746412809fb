import pytest
import torch

from tacit.functional.noise import normal, uniform

CPU = torch.device("cpu")


@pytest.mark.parametrize("draw", [normal, uniform])
def test_all_randomness_is_the_generators(draw: object) -> None:
    assert callable(draw)
    first = draw(3, 4, device=CPU, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert torch.equal(first, draw(3, 4, device=CPU, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, draw(3, 4, device=CPU, generator=torch.Generator().manual_seed(2)))


def test_moments() -> None:
    generator = torch.Generator().manual_seed(0)
    n, u = (f(40_000, device=CPU, generator=generator) for f in (normal, uniform))
    assert abs(n.mean()) < 0.02 and abs(n.std() - 1) < 0.02
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.01
