"""Activation patching, exact and to first order: where the order of the objects lives."""

__all__ = []
