"""Runs every command and every Python block of the docs, in an empty folder with a few images and a table."""

import contextlib
import csv
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
PAGES = [HERE.parent / "README.md", *sorted(HERE.glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.M | re.S)


def prepare(folder: Path) -> None:
    """Makes what the docs speak of: photos/ in sub-folders, reds/ and greens/, halves/ side by side, and people.csv."""
    import tacit

    shapes = tacit.open_data("shapes", count=600)
    for i, image in enumerate(shapes.x.numpy()):
        x, hue = image.transpose(1, 2, 0), shapes.columns["colour"][i]  # (H, W, 3)
        if i < 200:
            write(x, folder / "photos" / shapes.spec.classes[int(shapes.label[i])] / f"{i:03d}.png")
        elif hue < 1 / 6 or hue > 5 / 6:
            write(x, folder / "reds" / f"{i:03d}.png")
        elif hue < 1 / 2:
            write(x, folder / "greens" / f"{i:03d}.png")
        else:
            write(np.concatenate([x, 255 - x], axis=1), folder / "halves" / f"{i:03d}.png")
    rng = np.random.default_rng(0)
    with open(folder / "people.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "hours", "sector", "income"])
        for _ in range(300):
            age, hours = int(rng.integers(18, 80)), int(rng.integers(0, 60))
            sector, income = rng.choice(["public", "private", "?"]), "high" if age * hours > 2000 else "low"
            writer.writerow([age, hours, sector, income])


def write(pixels: Any, path: Path) -> None:
    """Writes an image, (H, W, 3) uint8, into a folder that need not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def run(page: Path) -> int:
    """Runs one page; returns how many commands and blocks it had.

    Raises:
        SystemExit: If one fails.
    """
    from tacit.cli.main import main

    done = 0
    names: dict[str, object] = {}
    for kind, text in BLOCK.findall(page.read_text()):
        if kind == "python":
            exec(compile(text, str(page), "exec"), names)
            done += 1
            continue
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] != "tacit":
                raise SystemExit(f"{page.name}: {line!r} is not a tacit command")
            print(f"$ {line}", flush=True)
            with contextlib.redirect_stdout(sys.stderr if os.environ.get("VERBOSE") else open(os.devnull, "w")):
                code = main(words[1:])
            if code:
                raise SystemExit(f"{page.name}: {line!r} ended with {code}")
            done += 1
    return done


def check() -> None:
    """Runs all pages, each in a folder of its own."""
    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TACIT_CACHE"] = f"{folder}/cache"
            os.chdir(folder)
            prepare(Path(folder))
            print(f"{page.name}: {run(page)} commands and blocks run")
            os.chdir(HERE)


if __name__ == "__main__":
    check()
