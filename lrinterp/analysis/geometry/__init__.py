"""Relation geometry: how captions lie that differ in a relation word."""

__all__ = []
