"""One loop, EMA, checkpoints, budgets. Knows no method."""
