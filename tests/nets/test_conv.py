import pytest
import torch
from torch import nn

from tacit.errors import DataError
from tacit.nets.conv import ConvDecoder, ConvEncoder, centre_crop, group_norm

SHAPES = [(1, 4, 4), (3, 5, 5), (1, 8, 8), (2, 9, 4), (1, 28, 28), (3, 32, 32), (1, 33, 47), (5, 13, 100), (3, 65, 64)]


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_comes_back_as_it_was(shape: tuple[int, ...]) -> None:
    x = torch.rand(2, *shape)
    z = ConvEncoder(shape, 7, width=4)(x)
    assert z.shape == (2, 7)
    assert ConvDecoder(7, shape, width=4)(z).shape == x.shape


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pixel_is_seen_and_every_pixel_is_drawn(shape: tuple[int, ...]) -> None:
    x = torch.rand(1, *shape, requires_grad=True)
    ConvEncoder(shape, 1, width=4)(x).sum().backward()
    assert x.grad is not None and (x.grad != 0).all()
    made = ConvDecoder(3, shape, width=4)(torch.randn(6, 3))
    assert (made.std(0) > 0).all()


def test_features_are_the_blocks_on_the_way() -> None:
    net = ConvEncoder((3, 28, 28), 10, width=8)
    x = torch.rand(2, 3, 28, 28)
    made = net.features(x)
    assert net.layers() == ["conv1", "conv2", "conv3"]
    assert [tuple(f.shape[1:]) for f in made] == [(8, 14, 14), (16, 7, 7), (32, 3, 3)]
    torch.testing.assert_close(net(x), net.head(made[-1].flatten(1)))


def test_widths_grow_to_eight_times() -> None:
    encoder, decoder = ConvEncoder((1, 256, 256), 1, width=2), ConvDecoder(1, (1, 256, 256), width=2)
    assert [b[0].out_channels for b in encoder.blocks] == [2, 4, 8, 16, 16, 16]
    assert [b[0].in_channels for b in decoder.blocks] == [16, 16, 16, 8, 4] and decoder.head.in_channels == 2


def test_one_sample_does_not_depend_on_the_others() -> None:
    x = torch.rand(4, 1, 12, 12)
    encoder, decoder = ConvEncoder((1, 12, 12), 5, width=8), ConvDecoder(5, (1, 12, 12), width=8)
    torch.testing.assert_close(decoder(encoder(x))[:1], decoder(encoder(x[:1])))
    assert not list(encoder.buffers()) and not list(decoder.buffers())


def test_norms_are_where_they_are_asked_for() -> None:
    net = ConvEncoder((1, 32, 32), 1, width=8, norm=nn.BatchNorm2d, norm_first=False)
    assert [isinstance(b[1], nn.BatchNorm2d) for b in net.blocks] == [False, True, True]
    assert [b[0].bias is None for b in net.blocks] == [False, True, True]
    assert all(isinstance(b[1], nn.GroupNorm) for b in ConvEncoder((1, 32, 32), 1, width=8).blocks)
    assert group_norm(6)(torch.rand(1, 6, 2, 2)).shape == (1, 6, 2, 2)


def test_small_images_are_refused_with_the_mend() -> None:
    for make in (lambda: ConvEncoder((1, 3, 9), 2), lambda: ConvDecoder(2, (1, 9, 3))):
        with pytest.raises(DataError, match=r"images are .*4 x 4 and larger; --size 8 enlarges them"):
            make()


def test_the_crop_is_in_the_middle() -> None:
    x = torch.arange(5.0).expand(1, 1, 5, 5)
    assert centre_crop(x, 3, 3)[0, 0, 0].tolist() == [1, 2, 3]
    assert torch.equal(centre_crop(x, 5, 5), x)
