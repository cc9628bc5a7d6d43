"""Attention terms: which products of content and position make the scores."""

__all__ = []
