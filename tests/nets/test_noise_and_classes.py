"""What a generator starts from: classes behind the noise, and the discriminator's output for each."""

from __future__ import annotations

import pytest
import torch

from tacit.errors import OptionError
from tacit.nets.noise import Noise

CLASSES = ("a", "b", "c")


def test_without_classes_it_is_noise() -> None:
    noise = Noise(5)
    z = noise.draw(4_000, generator=torch.Generator().manual_seed(0))
    assert z.shape == (4_000, 5) and abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    assert noise.outputs == 1 and noise.stats(torch.tensor([0])) == {}
    assert torch.equal(noise.pick(torch.tensor([[1.0], [2.0]])), torch.tensor([1.0, 2.0]))


def test_the_class_follows_the_noise_and_none_is_the_last() -> None:
    noise = Noise(2, CLASSES)
    z = noise.draw(4, torch.tensor([2, -1, 0, 1]))
    assert z.shape == (4, 6)
    assert z[:, 2:].argmax(1).tolist() == [2, 3, 0, 1] and torch.equal(z[:, 2:].sum(1), torch.ones(4))
    assert noise.draw(3, 1)[:, 2:].argmax(1).tolist() == [1, 1, 1]
    with pytest.raises(OptionError, match="they are 0 to 2"):
        noise.draw(1, 3)


def test_the_logit_is_that_of_a_samples_own_class() -> None:
    noise, out = Noise(2, CLASSES), torch.tensor([[1.0, 2.0, 3.0, 9.0], [5.0, 6.0, 7.0, 8.0]])
    assert noise.pick(out, torch.tensor([1, -1])).tolist() == [2.0, 8.0]
    noise.update({"classes": torch.tensor([3.0, 0.0, 1.0, 0.0])})
    assert noise.pick(out).tolist() == [3.0, 7.0]  # of the classes that were seen, the one that suits best


def test_classes_are_drawn_as_often_as_they_were_seen() -> None:
    noise = Noise(1, CLASSES)
    for label in (torch.tensor([0, 0, 0]), torch.tensor([2, -1, 0, 0])):
        noise.update(noise.stats(label))
    assert noise.seen.tolist() == [5, 0, 1, 1]
    drawn = noise.draw(7_000, generator=torch.Generator().manual_seed(0))[:, 1:].mean(0)
    torch.testing.assert_close(drawn, torch.tensor([5.0, 0, 1, 1]) / 7, atol=0.02, rtol=0)
