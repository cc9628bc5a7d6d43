"""Attention, terms and attribution drawn over a photograph and its mirror image."""

__all__ = []
