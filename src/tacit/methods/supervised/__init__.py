"""Heads that learn from labels."""
