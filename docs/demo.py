"""The main job on the embedded digits: fit, map, cluster, sample, and list the strangest, in a minute or two."""

import shlex
import sys
import time
from pathlib import Path

from tacit.cli.main import main

COMMANDS = """
tacit fit pca digits -o {runs}/pca
tacit fit tsne digits -o {runs}/map
tacit fit vae digits -o {runs}/vae --minutes 0.5
tacit fit gmm {runs}/vae -o {runs}/prior
tacit sample {runs}/prior -n 64 -o {runs}/samples.png
tacit fit kmeans {runs}/vae -o {runs}/clusters
tacit fit isolation-forest {runs}/vae -o {runs}/strange
tacit score {runs}/strange --top 5
tacit fit probe {runs}/vae -o {runs}/probe
"""


def demo(runs: Path) -> int:
    """Runs the commands, shows each, and prints where the pictures are."""
    start = time.perf_counter()
    for line in COMMANDS.format(runs=runs).split("\n"):
        if line:
            print(f"\n$ {line}", flush=True)
            code = main(shlex.split(line)[1:])
            if code:
                return code
    print(f"\n{time.perf_counter() - start:.0f} s; the pictures:")
    for picture in sorted(runs.rglob("*.png")):
        print(f"  {picture}")
    return 0


if __name__ == "__main__":
    place = Path("runs/demo")
    while place.exists():
        place = place.with_name(f"demo-{int(time.time())}")
    sys.exit(demo(place))
