"""Numbers as they stand in sentences and figures: as many digits as their interval deserves."""

import math

__all__ = ["MOST", "counted", "decimals", "head_name", "head_place", "plain_number", "signed"]

MOST = 6
"""Decimals; smaller numbers are written with a power of ten."""


def counted(n: int | None, thing: str) -> str:
    """A number of things, such as "1 label" or "1,200 pictures"."""
    return f"{n or 0:,} {thing}" + ("" if n == 1 else "s")


def head_name(layer: int, head: int) -> str:
    """A head as it is written in figures and tables: L0H2."""
    return f"L{layer}H{head}"


def head_place(name: str) -> tuple[int, int]:
    """Layer and head of a head as it is written.

    >>> head_place(head_name(3, 11))
    (3, 11)
    """
    layer, _, head = name.removeprefix("L").partition("H")
    return int(layer), int(head)


def plain_number(value: float) -> str:
    """Three significant figures with a true minus sign."""
    return f"{value + 0.0:.3g}".replace("-", "−")


def decimals(half: float) -> int:
    """Decimals that an interval of this half width deserves.

    One figure of it, two where that is a 1 or a 2; two decimals at least where it is under 1.

    >>> [decimals(half) for half in (20.0, 2.0, 0.4, 0.02, 0.004)]
    [0, 1, 2, 3, 3]
    """
    if half <= 0:
        return 3
    first = math.floor(math.log10(half))
    return int(max(2 if half < 1 else 0, -first + (half < 3 * 10.0**first)))


def signed(value: float, digits: int) -> str:
    """Fixed decimals with a true minus sign, and no minus before zero.

    With more decimals than MOST three significant figures, so that nothing is rounded away.

    >>> signed(-0.25, 2), signed(-0.001, 2), signed(0.00000002, 9)
    ('−0.25', '0.00', '2e−08')
    """
    if digits > MOST:
        return plain_number(value)
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")
