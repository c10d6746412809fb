"""The verbs, one file each: `usage` says how it is called, `run` does it."""
