from typing import Any

import pandas as pd
import pytest

from lrinterp.benchmark import Benchmark
from lrinterp.benchmark.figures import MOST, axes, choices, relations, sides, told_by_word

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


def values(plot: Any) -> dict[str, float]:
    return {y: x for trace in plot.data for y, x in zip(trace.y, trace.x, strict=True)}


def lines(plot: Any) -> list[float]:
    return [shape.x0 for shape in plot.layout.shapes]


def test_relations_with_the_same_chance_share_a_figure(table: pd.DataFrame):
    two, four = relations(table)
    assert values(two.draw()) == {"left of": 1.0, "right of": 0.0}
    assert values(four.draw()) == {"above": 0.25}
    assert (lines(two.draw()), lines(four.draw())) == ([0.5], [0.25])
    assert (two.key, four.key) == ("relations", "relations-2")
    assert "2 captions" in two.title
    assert "guesses scores 0.5, the dotted line" in two.how_to_read


def test_axes_with_different_chance_have_no_line(table: pd.DataFrame):
    (figure,) = axes(table)
    assert values(figure.draw()) == {"horizontal": 0.5, "vertical": 0.25}
    assert lines(figure.draw()) == []
    assert "guesses scores 0.25 to 0.5" in figure.how_to_read


def test_left_and_right_apart(table: pd.DataFrame):
    (figure,) = sides(table)
    assert values(figure.draw()) == {"left": 1.0, "right": 0.0}
    assert lines(figure.draw()) == [0.5]
    assert "always says right has recall 0 of left" in figure.how_to_read


@pytest.mark.parametrize(
    ("foils", "expected"),
    [(["word swap"], True), (["object swap"], False), (["word swap", "object swap"], False)],
)
def test_a_leaning_is_spoken_of_where_captions_differ_in_the_word(
    make_row, table_of, foils: list[str], *, expected: bool
):
    rows = []
    for foil in foils:
        for k, side in enumerate(("left", "right")):
            rows.append((make_row(relation=f"{side} of", right=k, foil=foil), FIRST))
    table = Benchmark(scores=table_of(*rows)).table
    (figure,) = sides(table)
    assert told_by_word(table) is expected
    assert ("always says right" in figure.how_to_read) is expected


def test_what_is_said_beside_what_is_so(table: pd.DataFrame):
    (figure,) = choices(table)
    said = values(figure.draw())
    assert said["left"] == (6 * 1 + 6 * 0.25) / 12
    assert said["above"] == 0.25
    true = figure.table.set_index("name")["share_true"]
    assert true["above"] == 1.0
    assert true["left"] == 3 / 12


def test_of_many_relations_the_commonest_are_drawn(make_row, table_of):
    rows = []
    for k in range(MOST + 5):
        for _ in range(1 + (k >= 5)):
            rows.append((make_row(relation=f"relation {k}", axis="other"), FIRST))
    (figure,) = relations(Benchmark(scores=table_of(*rows)).table)
    assert len(values(figure.draw())) == MOST
    assert "relation 0" not in values(figure.draw())
    assert "5 relations more in the table alone" in figure.how_to_read


def test_relations_that_the_mean_leaves_out_are_in_the_table_alone(make_row, table_of):
    rows = []
    rows.append((make_row(relation="eating"), FIRST))
    rows.append((make_row(relation="near", in_macro=False), FIRST))
    (figure,) = relations(Benchmark(scores=table_of(*rows)).table)
    assert list(values(figure.draw())) == ["eating"]
    assert "1 relation more in the table alone" in figure.how_to_read


def test_a_suite_without_sides_has_no_figure_of_them(make_row, table_of):
    rows = []
    rows.append((make_row(relation="eating", axis="other", foil="object swap"), FIRST))
    table = Benchmark(scores=table_of(*rows)).table
    assert [*axes(table), *sides(table), *choices(table)] == []
