"""Measures, and keeps the table of timings in benchmarks/results.md: ``python -m benchmarks.run [--only steps]``."""

import argparse
import datetime
import importlib
from pathlib import Path

import torch

from benchmarks import pairs

PARTS = ("steps", "peers", "encoding", "reading", "diffusion", "contrastive", "maps", "evaluation")
RESULTS = Path(__file__).parent / "results.md"
START, END = "<!-- timings -->", "<!-- end of timings -->"
HEADER = "| work | ours, samples/s | theirs, samples/s | theirs / ours, time | 95 % interval | pairs | on |\n" \
         "|---|---|---|---|---|---|---|"


def main() -> None:
    """Runs the chosen parts; each row of the table is replaced as soon as it is measured anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts to run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=30, help="pairs of each comparison; the table says how many")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for part in given.only.split(","):
        for ratio in importlib.import_module(f"benchmarks.{part}").run(given.pairs):
            keep(ratio)


def keep(ratio: pairs.Ratio) -> None:
    """Puts a row into the table, in the place of the row of the same work."""
    text = RESULTS.read_text() if RESULTS.exists() else f"# Results\n\n{START}\n{END}\n"
    before, rest = text.split(START)
    table, after = rest.split(END)
    rows = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| ")}
    rows.pop("work", None)
    rows[ratio.title] = f"{ratio.row()} {datetime.date.today()} |"
    lines = "\n".join([f"On {pairs.machine()}.", "", HEADER, *rows.values()])
    RESULTS.write_text(f"{before}{START}\n{lines}\n{END}{after}")


if __name__ == "__main__":
    main()
