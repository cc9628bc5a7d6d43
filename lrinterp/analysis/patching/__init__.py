"""Activation patching, exact and to first order: where the order of the objects is represented."""

__all__ = []
