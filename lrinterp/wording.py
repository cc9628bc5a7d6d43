"""Numbers as they stand in sentences and figures: a true minus sign, no minus before zero."""

__all__ = ["counted", "plain_number", "signed"]


def counted(n: int | None, thing: str) -> str:
    """A number of things, such as "1 label pair" or "1,200 pictures"."""
    return f"{n or 0:,} {thing}" + ("" if n == 1 else "s")


def plain_number(value: float) -> str:
    """Three significant figures with a true minus sign."""
    return f"{value + 0.0:.3g}".replace("-", "−")


def signed(value: float, digits: int) -> str:
    """Fixed decimals with a true minus sign, and no minus before zero."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")
