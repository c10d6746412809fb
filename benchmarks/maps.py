"""t-SNE through tacit against openTSNE alone: the same 2,000 rows, neighbours, start, rounds and forces."""

import numpy as np
import torch
from openTSNE import TSNEEmbedding, affinity

from benchmarks import pairs
from tacit.data.open import open_source
from tacit.data.options import ReadOptions
from tacit.methods.classical.tsne import TSNE

ROWS = 1_797
ROUNDS = 250


def run(count: int = 30) -> list[pairs.Ratio]:
    """Compares fitting a map of the embedded digits."""
    data = open_source("digits", ReadOptions(split="0"))
    x = data.batch(torch.arange(len(data))).x
    rows = x.flatten(1).double().numpy()

    def ours() -> None:
        torch.manual_seed(0)
        TSNE(data.spec, iterations=ROUNDS).fit(x)

    def theirs() -> None:
        centred = rows - rows.mean(0)
        _, _, directions = np.linalg.svd(centred, full_matrices=False)
        reduced = centred @ directions[:50].T
        start = reduced[:, :2] * 1e-4 / reduced[:, 0].std()
        near = affinity.PerplexityBasedNN(reduced, perplexity=30, method="exact", n_jobs=torch.get_num_threads(),
                                          knn_kwargs={"algorithm": "brute"})
        layout = TSNEEmbedding(start, near, negative_gradient_method="bh", n_jobs=torch.get_num_threads())
        layout.optimize(250, exaggeration=12, momentum=0.8, inplace=True)
        layout.optimize(ROUNDS, momentum=0.8, inplace=True)

    return [pairs.compare(f"t-SNE of {ROWS:,} digits in {250 + ROUNDS} rounds, against openTSNE alone", ours, theirs,
                          work=ROWS, pairs=count, warm=1)]
