"""Fake results with a figure of every kind, and hostile text in every slot."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import pytest

from lrinterp.charts import bars, heatmap, lines, reference, scatter
from lrinterp.result import Attention, Check, Figure, Metric, Provenance, Result, Skipped, Tile

HOSTILE = "</script><img src=x onerror=alert(1)>"
AT_END = "innerHeight + scrollY >= document.documentElement.scrollHeight - 2"
HEADS = ["L0H0", "L0H1", "L0H2", "L0H3"]
SCORE = Metric(value=0.973, low=0.957, high=0.989, n=1200, n_units=60)


@pytest.fixture(scope="session")
def fakes() -> Any:
    """What this file defines, for the tests of both the text and the browser."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def scroll_through() -> Callable[[Any], None]:
    """Reads a page to its end, so that every figure comes near."""

    def scroll(page: Any) -> None:
        for _ in range(200):
            page.mouse.wheel(0, 600)
            page.wait_for_timeout(40)
            if page.evaluate(AT_END):
                break
        page.wait_for_timeout(300)

    return scroll


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Fake(Result):
    """A result whose words, table and pictures are handed in."""

    name: ClassVar[str] = "fake"
    question: ClassVar[str] = "Does it know left from right?"
    words: str = "It does."
    table: pd.DataFrame = field(default_factory=lambda: big_table(30))
    pictures: tuple[Figure, ...] = ()
    large: tuple[Tile, ...] = ()
    numbers: Mapping[str, Metric] = field(default_factory=lambda: {"order_accuracy": SCORE})
    short: pd.DataFrame = field(default_factory=pd.DataFrame)
    tested: tuple[Check, ...] = ()

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        return self.numbers

    @property
    def finding(self) -> str:
        return self.words

    @property
    def caveats(self) -> tuple[str, ...]:
        return (self.words,)

    def frame(self) -> pd.DataFrame:
        return self.table

    def figures(self) -> tuple[Figure, ...]:
        return self.pictures

    @property
    def checks(self) -> tuple[Check, ...]:
        return self.tested

    def tiles(self) -> tuple[Tile, ...]:
        return self.large

    def overview(self) -> pd.DataFrame:
        return self.short


def big_table(rows: int) -> pd.DataFrame:
    """Repeats, a missing number, quotes, commas and a newline."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "head": [HEADS[k % 4] for k in range(rows)],
            "position": [(7 * k) % 10 for k in range(rows)],
            "value": rng.normal(size=rows),
            "note": ['a "quoted", text\nin two lines'] + ["plain"] * (rows - 1),
        }
    )
    table.loc[1, "value"] = np.nan
    return table


def pictures(label: str = "L0H2") -> tuple[Figure, ...]:
    """One figure of every kind of chart, with a label of the reader's choice in it."""
    positions = np.tile(np.arange(10), 2)
    share = pd.DataFrame(
        {
            "model": np.repeat(["intact", label], 10),
            "position": positions,
            "share": np.linspace(0.05, 0.15, 20),
        }
    )
    scores = pd.DataFrame({"model": ["intact", label], "order": [0.97, 0.51]})
    scores = scores.assign(low=scores["order"] - 0.02, high=scores["order"] + 0.02)
    plots = {
        "map": (heatmap(share, x="position", y="model", z="share"), share),
        "lines": (lines(share, x="position", y="share", by="model"), share),
        "bars": (reference(bars(scores, x="order", y="model"), 0.5, "chance"), scores),
        "scatter": (scatter(scores, x="order", y="order", label="model"), scores),
    }
    return tuple(figure(key, plot, table) for key, (plot, table) in plots.items())


def attention(label: str = "red") -> Figure:
    """An attention view of two heads over three tokens."""
    props = {
        "attention": [[[0.2, 0.3, 0.5]] * 3] * 2, "tokens": ["CLS", label, "blue"],
        "attentionHeadNames": ["L0H0", label], "maskUpperTri": False, "minValue": 0, "maxValue": 1,
    }  # fmt: skip
    plot = Attention(component="AttentionHeads", props=props)
    return figure("heads", plot, pd.DataFrame({"token": [label], "share": [0.5]}))


def figure(key: str, plot, table: pd.DataFrame, words: str = "Across: position.") -> Figure:
    return Figure(key=key, title=f"Picture {key}", how_to_read=words, plot=plot, table=table)


def results() -> dict[str, Result]:
    """A hero with tiles, every chart, an attention view, and one that was skipped."""
    tile = Tile(label="Order accuracy", scalar=SCORE, words="Good: far above chance.")
    return {
        "answer": Fake(large=(tile,) * 4),
        "mechanism": Fake(pictures=pictures(), table=big_table(450)),
        "view": Fake(pictures=(attention(),)),
        "patching": Skipped(skipped="patching", asked="Where?", reason="there is one layer."),
    }


def provenance(text: str = "line-10") -> Provenance:
    steps = np.arange(0, 200, 10)
    return Provenance(
        checkpoint=text,
        command=f"lrinterp report {text}",
        date="2026-11-22",
        versions={"lrinterp": "0.1.0", "torch": text},
        sha256="9f2c" * 16,
        seed=7,
        settings={"world": {"layout": text, "length": 10, "rate": 1e-05}},
        curves=pd.DataFrame(
            {"step": steps, "loss": 1 / (1.0 + steps), "order": 1 - 1 / (1.0 + steps)}
        ),
    )
