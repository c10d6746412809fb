"""tacit learns what nobody labelled."""
