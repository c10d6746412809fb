"""The main job: a panel of methods on one source, under one budget, and what they found."""
