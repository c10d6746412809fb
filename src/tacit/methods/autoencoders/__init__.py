"""Autoencoders and latent-variable models."""
