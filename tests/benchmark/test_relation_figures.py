"""The figures of a benchmark: what is drawn, and where a guess would lie."""

from typing import Any

import pandas as pd
import pytest

from lrinterp.benchmark import Benchmark
from lrinterp.benchmark.relation_figures import MOST, relation_figures

FIRST = (1.0, 0.0)


@pytest.fixture
def table(make_row, table_of) -> pd.DataFrame:
    """Left and right, two captions; above, four captions, in a subset of its own."""
    rows = []
    for k in range(6):
        side = ("left", "right")[k % 2]
        rows.append((make_row(relation=f"{side} of", right=k % 2, group=str(k)), FIRST))
        more: dict[str, Any] = {"axis": "vertical", "subset": "four", "group": f"v{k}"}
        captions = tuple(f"a cat {w} a dog" for w in ("above", "below", "left of", "right of"))
        rows.append((make_row(relation="above", captions=captions, **more), (0.25,) * 4))
    return Benchmark(scores=table_of(*rows)).table


def test_each_figure_shows_its_values_and_chance(table: pd.DataFrame):
    """Relations of one chance share a figure; bars of several chances have no line."""
    figures = {figure.key: figure for figure in relation_figures(table, by_word=True)}
    found = {}
    for key, figure in figures.items():
        plot: Any = figure.draw()
        bars = {y: x for trace in plot.data for y, x in zip(trace.y, trace.x, strict=True)}
        found[key] = bars, [shape.x0 for shape in plot.layout.shapes]
    assert found == {
        "relations": ({"left of": 1.0, "right of": 0.0}, [0.5]),
        "relations-2": ({"above": 0.25}, [0.25]),
        "axes": ({"horizontal": 0.5, "vertical": 0.25}, []),
        "sides": ({"left": 1.0, "right": 0.0}, [0.5]),
        "choices": ({"left": (6 + 6 / 4) / 12, "right": 0.125, "above": 0.25, "below": 0.25}, []),
    }
    true = figures["choices"].table.set_index("name")["share_true"]
    assert (true["above"], true["left"]) == (1.0, 3 / 12)


def test_of_many_relations_the_commonest_that_the_mean_counts_are_drawn(make_row, table_of):
    rows = [
        (make_row(relation=f"relation {k}", axis="other", foil="object swap"), FIRST)
        for k in range(MOST + 5)
        for _ in range(1 + (k >= 5))
    ]
    rows.append(
        (make_row(relation="near", axis="other", in_macro=False, foil="object swap"), FIRST)
    )
    (figure,) = relation_figures(Benchmark(scores=table_of(*rows)).table, by_word=False)
    names = {f"relation {k}" for k in range(5, MOST + 5)}
    assert set(figure.table["name"]) == names
