"""Similarity attribution: the margin as a sum of what is read."""

__all__ = []
