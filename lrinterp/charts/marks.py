"""What can lie over or under a chart, as data: lines, bands, shades, pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, UInt8

from lrinterp.charts.table import column

__all__ = ["Diagonal", "Mark", "Picture", "Reference", "Regions"]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A dotted line across the axis of values, or a band between two, in every panel."""

    name: ClassVar[str] = "reference"
    on: ClassVar[tuple[str, ...]] = ("lines", "bars", "scatter")

    at: float | tuple[float, float]
    label: str

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends of the band; twice the same of a line."""
        return self.at if isinstance(self.at, tuple) else (self.at, self.at)


@dataclass(frozen=True, kw_only=True, eq=False)
class Regions:
    """A shade behind each row of bars or dots; an end that is no number is the panel's edge."""

    name: ClassVar[str] = "regions"
    on: ClassVar[tuple[str, ...]] = ("bars",)

    frame: pd.DataFrame
    y: str
    start: str
    end: str
    facet: str | None = None

    def __post_init__(self) -> None:
        for name in filter(None, (self.y, self.start, self.end, self.facet)):
            column(self.frame, name)


@dataclass(frozen=True, kw_only=True)
class Diagonal:
    """Equal axes in every panel, and the line on which both numbers are equal."""

    name: ClassVar[str] = "diagonal"
    on: ClassVar[tuple[str, ...]] = ("scatter",)


Mark = Reference | Regions | Diagonal


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """What lies under a map: red, green, blue, and the patches to be outlined, by any name."""

    pixels: UInt8[np.ndarray, "height width 3"]
    outlines: Mapping[str, Bool[np.ndarray, "row column"]] = field(default_factory=dict)
    """The rectangle around each is drawn: the first solid, the second dotted, the third dashed."""
