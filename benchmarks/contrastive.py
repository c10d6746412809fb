"""SimCLR's step with its views made on the device, against the same step behind a PIL pipeline.

lightly's own pipeline needs torchvision, which this project never installs, so the peer is what lightly does, written
plainly: two views of each image by PIL (a window resized, mirrored, brightness, contrast, saturation and hue changed,
greyed), then the same net, NT-Xent and optimiser. Its hue turn goes through PIL's HSV as torchvision's does.
"""

import math
import random
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from benchmarks.pairs import Ratio, compare
from benchmarks.steps import images, our_steps
from tacit.catalog import method_class
from tacit.data.augment import Augment
from tacit.protocol import Method, Optim, Recipe

SIZE, BATCH, STEPS = 32, 64, 2
TEMPERATURE = 0.5
VIEWS = "zoom,flip,jitter,grey"
ADJUSTMENTS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def pil_view(image: Image.Image, chance: random.Random) -> Image.Image:
    """Returns one view of an image."""
    area = chance.uniform(0.2, 1.0) * SIZE * SIZE
    ratio = math.exp(chance.uniform(math.log(3 / 4), math.log(4 / 3)))
    width, height = (min(SIZE, round(math.sqrt(area * r))) for r in (ratio, 1 / ratio))
    left, top = chance.randint(0, SIZE - width), chance.randint(0, SIZE - height)
    view = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))
    if chance.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if chance.random() < 0.8:
        for adjust in ADJUSTMENTS:
            view = adjust(view).enhance(chance.uniform(0.6, 1.4))
        hue, saturation, value = view.convert("HSV").split()
        turn = round(255 * chance.uniform(-0.1, 0.1))
        view = Image.merge("HSV", (hue.point(lambda h: (h + turn) % 256), saturation, value)).convert("RGB")
    return view.convert("L").convert("RGB") if chance.random() < 0.1 else view


def pil_views(stored: Tensor, chance: random.Random) -> Tensor:
    """Returns one view of each 8-bit image (N, 3, H, W), as floats in [0, 1]."""
    pictures = [Image.fromarray(array) for array in stored.permute(0, 2, 3, 1).numpy()]
    made = np.stack([np.asarray(pil_view(picture, chance)) for picture in pictures])  # (N, H, W, 3)
    return torch.from_numpy(made).permute(0, 3, 1, 2).float().div_(255)


def plain_nt_xent(a: Tensor, b: Tensor) -> Tensor:
    """Returns NT-Xent with the mask and labels that lightly's `NTXentLoss` has."""
    z = normalize(torch.cat([a, b]), dim=1)
    n = len(z)
    logits = (z @ z.T / TEMPERATURE)[~torch.eye(n, dtype=torch.bool)].view(n, n - 1)
    half = torch.arange(n // 2)
    return cross_entropy(logits, torch.cat([half + n // 2 - 1, half]))


def peer_steps(method: Method, stored: Tensor, steps: int) -> Callable[[], None]:
    """Returns a callable that trains a net for some more steps on views by PIL."""
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-3, fused=True)
    chance, state = random.Random(0), {"step": 0}
    method.train()

    def go() -> None:
        for _ in range(steps):
            start = state["step"] * BATCH % (len(stored) - BATCH)
            part = stored[start : start + BATCH]
            a, b = (method.projection(method.encode(pil_views(part, chance))) for _ in range(2))
            plain_nt_xent(a, b).backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            state["step"] += 1

    return go


def whole_step(title: str, pairs: int, **options: object) -> Ratio:
    """Compares training steps."""
    data = images((3, SIZE, SIZE), 4096)
    built = []
    for _ in range(2):
        torch.manual_seed(0)
        built.append(method_class("simclr")(data.spec, views=VIEWS, tau=TEMPERATURE, **options))
    recipe = Recipe(batch=BATCH, steps=1_000_000, optim={"model": Optim(lr=1e-3)})
    ours = our_steps(built[0], data, recipe, STEPS)
    return compare(title, ours, peer_steps(built[1], data.x, STEPS), work=STEPS * BATCH, pairs=pairs)


def views_alone(pairs: int) -> Ratio:
    """Compares making two views of each image of a batch."""
    stored = images((3, SIZE, SIZE), BATCH).x
    augment, generator, chance = Augment.parse(VIEWS), torch.Generator().manual_seed(0), random.Random(0)

    def ours() -> None:
        for _ in range(2):
            augment(stored.float().div_(255), generator)

    def theirs() -> None:
        for _ in range(2):
            pil_views(stored, chance)

    return compare(f"two views of {BATCH} images 3 x {SIZE} x {SIZE}, against PIL", ours, theirs, work=BATCH,
                   pairs=pairs)


def run(pairs: int = 30) -> list[Ratio]:
    """Compares the views alone, and steps of a small net that waits for them and of a larger one that does not."""
    return [
        views_alone(pairs),
        whole_step("SimCLR step, four convolutions 8 to 64, batch 64, against a PIL pipeline", pairs, width=8),
        whole_step("SimCLR step, four convolutions 32 to 256, batch 64, against a PIL pipeline", pairs),
    ]
