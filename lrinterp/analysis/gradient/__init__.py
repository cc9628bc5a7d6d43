"""Positional gradients: do attention scores rise from left to right?"""

__all__ = []
