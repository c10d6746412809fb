"""Models that make a sample value by value, each given those before it."""
