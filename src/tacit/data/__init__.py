"""Sources, modalities, splits, batches and augmentation: from files to tensors. Knows no method."""
