"""Our U-Net against diffusers' UNet2DModel of equal size: a training step of each, and DDIM sampling."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from benchmarks.pairs import Ratio, compare
from tacit.methods.diffusion.ddpm import DDPM
from tacit.nets.unet import UNet
from tacit.protocol import Batch, Spec

SHAPE, BATCH, MADE, STEPS = (3, 32, 32), 32, 8, 50
SPEC = Spec("image", SHAPE, (0.0, 1.0))


def diffusers_net() -> nn.Module:
    """Returns theirs: width 32, multiples 1, 2, 2, one block a level, attention at 16 x 16 and in the middle."""
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=SHAPE[1], in_channels=SHAPE[0], out_channels=SHAPE[0], layers_per_block=1,
        block_out_channels=(32, 64, 64), down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )


def training(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """Returns a callable that makes one step: forward, backward, clipping, Adam, averaging."""
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-4, fused=True)
    live = list(model.parameters())
    averaged = [p.detach().clone() for p in live]

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss().backward()
        nn.utils.clip_grad_norm_(live, 1.0)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(averaged, live, 0.001)

    return step


def run(pairs: int = 30) -> list[Ratio]:
    """Compares both, after checking that they are equally large."""
    from diffusers import DDIMScheduler, DDPMScheduler

    torch.manual_seed(0)
    theirs, ours = diffusers_net(), DDPM(SPEC, denoiser=UNet(SHAPE, width=32, attention=16))
    sizes = [sum(p.numel() for p in m.parameters()) for m in (ours, theirs)]
    if abs(sizes[0] / sizes[1] - 1) > 0.03:
        raise RuntimeError(f"the nets have {sizes[0]:,} and {sizes[1]:,} parameters")
    x, noising, sampling = torch.rand(BATCH, *SHAPE), DDPMScheduler(1000), DDIMScheduler(1000)
    sampling.set_timesteps(STEPS)

    def their_loss() -> Tensor:
        clean, noise, t = 2 * x - 1, torch.randn_like(x), torch.randint(1000, (BATCH,))
        return mse_loss(theirs(noising.add_noise(clean, noise, t), t).sample, noise)

    def their_samples() -> Tensor:
        made = torch.randn(MADE, *SHAPE)
        with torch.inference_mode():
            for t in sampling.timesteps:
                made = sampling.step(asked(made, t).sample, t, made).prev_sample
        return made

    def our_samples() -> Tensor:
        with torch.inference_mode():
            return still.sample(MADE, sampler="ddim", steps=STEPS)

    still, asked = copy.deepcopy(ours).eval(), copy.deepcopy(theirs).eval()
    our_step = training(ours, lambda: next(iter(ours.losses(Batch(x)))).value)
    title = "1.1 M parameters, 3 x 32 x 32, against diffusers' UNet2DModel"
    return [
        compare(f"U-Net training step, {title}", our_step, training(theirs, their_loss), work=BATCH, pairs=pairs),
        compare(f"DDIM samples in {STEPS} steps, {title}", our_samples, their_samples, work=MADE, pairs=pairs, warm=1),
    ]
