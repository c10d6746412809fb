"""Measures and writes the table of timings into benchmarks/results.md: ``python -m benchmarks.run [--only steps]``."""

import argparse
import datetime
from pathlib import Path

import torch

from benchmarks import encoding, pairs, peers, reading, steps

PARTS = {"steps": steps.run, "peers": peers.run, "encoding": encoding.run, "reading": reading.run}
RESULTS = Path(__file__).parent / "results.md"
START, END = "<!-- timings -->", "<!-- end of timings -->"


def main() -> None:
    """Runs the chosen parts and replaces the table of timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cold-pairs", type=int, default=30, help="pairs of reading without a cache, which take long")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(pairs.HEADER)
    extra = {"reading": (given.cold_pairs, 30)}
    rows = [ratio.row() for part in given.only.split(",") for ratio in PARTS[part](*extra.get(part, ()))]
    text = RESULTS.read_text() if RESULTS.exists() else f"# Results\n\n{START}\n{END}\n"
    before, rest = text.split(START)
    table = "\n".join([f"{datetime.date.today()}, {pairs.machine()}.", "", pairs.HEADER, *rows])
    if set(given.only.split(",")) == set(PARTS):  # a part alone is only shown
        RESULTS.write_text(f"{before}{START}\n{table}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
