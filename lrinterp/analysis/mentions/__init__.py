"""What the heads of the text tower give to the objects in the order of mention."""

__all__ = []
