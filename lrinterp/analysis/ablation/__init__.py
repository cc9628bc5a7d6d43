"""Ablation of score terms: what the model can do without them."""

__all__ = []
