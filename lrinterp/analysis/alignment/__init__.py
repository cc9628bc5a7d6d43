"""Picture and word of one label: cosines before and after a rotation."""

__all__ = []
