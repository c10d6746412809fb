"""Games between a generator and a discriminator."""
