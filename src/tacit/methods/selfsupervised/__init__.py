"""Representations learned from pretext tasks, or brought along."""
