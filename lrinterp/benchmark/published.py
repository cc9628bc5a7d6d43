"""Figures that others published, to stand beside ours. None of them is measured here."""

from dataclasses import dataclass
from typing import Any

__all__ = ["PUBLISHED", "Published", "published_figures", "published_rows", "published_words"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published figure."""

    suite: str
    measure: str
    """The measure it is comparable to, as in `lrinterp.benchmark.numbers`."""
    model: str
    low: float
    high: float
    """Differs from `low` where sources differ."""
    source: str

    @property
    def figure(self) -> str:
        """The figure as it was published."""
        return f"{self.low:.2f}" + (f"–{self.high:.2f}" if self.high > self.low else "")

    def __str__(self) -> str:
        return f"{self.model} {self.figure}"


ARO_SOURCE = "Yuksekgonul et al., arXiv 2210.01936, VG-Relation, macro accuracy"

PUBLISHED = tuple(
    Published(suite="aro", measure="macro", model=model, low=low, high=high, source=ARO_SOURCE)
    for model, low, high in (
        ("CLIP ViT-B/32", 0.59, 0.59),
        ("NegCLIP", 0.80, 0.81),
        ("BLIP", 0.59, 0.59),
    )
)


def published_rows(suite: str) -> list[dict[str, Any]]:
    """A row of the table for each published figure of a suite; the value is the middle."""
    return [
        {
            "measure": f"published {one.measure}",
            "name": one.model,
            "value": (one.low + one.high) / 2,
            "note": f"published, not measured here: {one}; {one.source}",
        }
        for one in PUBLISHED
        if one.suite == suite
    ]


def published_figures(suite: str) -> dict[str, str]:
    """By model, the figure of a suite as it was published."""
    return {one.model: one.figure for one in PUBLISHED if one.suite == suite}


def published_words(suite: str, measure: str) -> str:
    """The published figures of a suite in one line; empty where there are none."""
    return ", ".join(str(p) for p in PUBLISHED if (p.suite, p.measure) == (suite, measure))
