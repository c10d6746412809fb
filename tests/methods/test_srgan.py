"""SRGAN: pre-training then the game, the content in features and how it is weighed, and whose turn it is."""

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, mse_loss

from tacit.errors import DataError, OptionError
from tacit.methods.adversarial.srgan import SRGAN
from tacit.methods.selfsupervised.pretrained import Pretrained
from tacit.nets.vgg import VGG19
from tacit.protocol import Batch, Chain, Clock, Frozen, Spec, capabilities

LITTLE = {"width": 8, "blocks": 1, "critic_width": 4, "skip": "none"}


def spec(side=8, scale=2, channels=3):
    return Spec("image", (channels, side, side), (0, 1), pair=(channels, scale * side, scale * side))


def batch(n=6, side=8, scale=2, channels=3):
    return Batch(torch.rand(n, channels, side, side), pair=torch.rand(n, channels, scale * side, scale * side))


def at(method, progress, step=1):
    method.clock = Clock(step, progress)
    return method


def frozen(encoder, side=16):
    return Frozen(Chain(Pretrained(Spec("image", (3, side, side), (0, 1)), encoder=encoder)))


@pytest.fixture
def vgg():
    torch.manual_seed(0)
    return frozen(VGG19(width=1))


def test_before_the_game_it_is_srresnet():
    method, b = at(SRGAN(spec(), **LITTLE, pretrain=0.5), 0.499), batch()
    (loss,) = method.losses(b)
    assert loss.player == "generator"
    torch.testing.assert_close(loss.value, mse_loss(method.net(b.x), 2 * b.pair - 1))


def test_the_game_passes_real_and_made_images_apart_on_logits():
    method, b = at(SRGAN(spec(), **LITTLE), 0.5), batch()
    large, fake = 2 * b.pair - 1, method.net(b.x)
    real, made = method.discriminator(large).sigmoid(), method.discriminator(fake).sigmoid()
    discriminator, generator = method.losses(b)
    torch.testing.assert_close(discriminator.value, -(real.log().mean() + (1 - made).log().mean()))
    torch.testing.assert_close(generator.value, mse_loss(fake, large) - 1e-3 * made.log().mean())


def test_every_parameter_has_one_player_and_moves(vgg):
    method = at(SRGAN(spec(), **LITTLE, features=vgg, feature_layer="conv2_2"), 0.5)
    owned = [id(p) for player in method.players().values() for p in player.parameters()]
    own = {name: p for name, p in method.named_parameters() if p.requires_grad}
    assert len(set(owned)) == len(owned) and set(owned) == {id(p) for p in own.values()}
    assert set(method.recipe().optim) == set(method.players())
    for loss in method.losses(batch()):
        loss.value.backward(inputs=list(method.players()[loss.player].parameters()))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in own.values())
    assert all(p.grad is None for p in vgg.parameters())


def test_content_is_the_squared_error_of_a_layers_maps(vgg):
    b = batch()
    plain = at(SRGAN(spec(), **LITTLE, features=vgg, feature_layer="conv3_1", content=0.006), 0.5)
    fake = plain.net(b.x)
    maps = [vgg.chain.method.encoder((x + 1) / 2, "conv3_1") for x in (fake, 2 * b.pair - 1)]
    torch.testing.assert_close(plain.content_loss(fake, 2 * b.pair - 1), 0.006 * mse_loss(*maps))


def test_by_default_content_does_not_depend_on_the_scale_of_features():
    class Scaled(nn.Module):
        """Pools, and multiplies."""

        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return self.factor * avg_pool2d(x, 2)

    fake, large = torch.rand(4, 3, 16, 16) * 2 - 1, torch.rand(4, 3, 16, 16) * 2 - 1
    found = [SRGAN(spec(), **LITTLE, features=frozen(Scaled(f))).content_loss(fake, large) for f in (1.0, 50.0)]
    torch.testing.assert_close(found[0], found[1])
    pooled = [avg_pool2d(x, 2) for x in (fake, large)]
    torch.testing.assert_close(found[0], mse_loss(*pooled) / pooled[1].var() * large.var())
    of_pixels = SRGAN(spec(), **LITTLE, features=frozen(nn.Identity())).content_loss(fake, large)
    torch.testing.assert_close(of_pixels, mse_loss(fake, large))


def test_features_take_crops_of_large_images(vgg):
    method = SRGAN(spec(24, 2), **LITTLE, features=vgg, feature_layer="conv2_1", patch=20)
    b = batch(4, 24)
    for step, progress in ((0, 0.0), (1, 0.9)):
        losses = list(at(method, progress, step).losses(b))
        assert all(loss.value.isfinite() for loss in losses)
    assert method.crops(b)[1].shape == (4, 3, 20, 20)


def test_once_begun_the_game_goes_on_and_a_new_run_begins_anew():
    method, b = at(SRGAN(spec(), **LITTLE, pretrain=0.5), 0.6), batch()
    game = list(method.losses(b))
    game[0].after(game[0].stats)
    assert len(list(at(method, 0.2, step=7).losses(b))) == 2  # resumed with a longer budget
    assert len(list(at(method, 0.0, step=0).losses(b))) == 1  # a new run from these weights
    assert len(list(at(method, 0.2, step=7).losses(b))) == 1


def test_features_that_will_not_do_are_told_at_the_first_step(vgg):
    class Flat(nn.Module):
        """Takes 16 x 16 only."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3 * 16 * 16, 4)

        def forward(self, x):
            return self.layer(x.flatten(1))

    class Cut(nn.Module):
        """Lets no gradient through."""

        def forward(self, x):
            return x.detach()

    def first_step(**options):
        next(at(SRGAN(spec(24), **LITTLE, patch=20, **options), 0.0, 0).losses(batch(4, 24)))

    with pytest.raises(DataError, match="the features do not take crops of 3 x 20 x 20: .*--feature-layer") as caught:
        first_step(features=frozen(Flat()))
    assert "\n" not in str(caught.value)
    with pytest.raises(OptionError, match="no gradient flows"):
        first_step(features=frozen(Cut()))
    with pytest.raises(OptionError, match="no layer 'conv9'; there are conv1_1"):
        first_step(features=vgg, feature_layer="conv9")


def test_what_is_refused():
    with pytest.raises(DataError, match="--derive low-resolution:4"):
        SRGAN(Spec("image", (3, 8, 8), (0, 1)))
    with pytest.raises(OptionError, match="--pretrain is 1; it is a share"):
        SRGAN(spec(), pretrain=1.0)
    with pytest.raises(OptionError, match="--feature-layer conv5_4 is of no run"):
        SRGAN(spec(), feature_layer="conv5_4")
    with pytest.raises(OptionError, match="--adversarial is -1"):
        SRGAN(spec(), adversarial=-1.0)


def test_the_adversary_makes_images_sharper_than_the_squared_error():
    """Large images are noise that small ones say nothing of: the least error is grey, what passes for real is not."""

    def contrast(adversarial):
        torch.manual_seed(0)
        method = SRGAN(spec(channels=1), **LITTLE, adversarial=adversarial, content=0.1, pretrain=0.0)
        adams = {n: torch.optim.Adam(p.parameters(), lr=1e-3, betas=(0.5, 0.9)) for n, p in method.players().items()}
        for _ in range(40):
            x = torch.rand(16, 1, 8, 8)
            large = (torch.rand(16, 1, 16, 16) > 0.5).float()
            for loss in at(method, 0.5).losses(Batch(x, pair=large)):
                adams[loss.player].zero_grad()
                loss.value.backward(inputs=list(method.players()[loss.player].parameters()))
                adams[loss.player].step()
        with torch.no_grad():
            return float(method.enlarge(torch.rand(32, 1, 8, 8)).std())

    assert contrast(1.0) > 2 * contrast(0.0)


def test_the_features_are_part_of_the_run_and_stay_as_they_are(vgg):
    method = SRGAN(spec(), **LITTLE, features=vgg, feature_layer="conv1_2")
    assert not any(p.requires_grad for p in method.features.parameters())
    assert any(key.startswith("features.chain.method.encoder.") for key in method.state_dict())
    method.train()
    assert not method.features.training and capabilities(method) == {"Translates"}
