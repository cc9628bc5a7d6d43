from typing import Any

import pandas as pd
import pytest

from lrinterp.experiment.set_figures import set_lines, set_map

LABELS, LAYOUTS = "split.n_pair", "split.layouts_per_pair"


@pytest.fixture
def cells() -> pd.DataFrame:
    rows = [
        ("main", measure, labels, layouts, 0.01 * labels + 0.001 * layouts, 4 + (layouts == 30))
        for measure in ("order", "retrieval (open)")
        for labels in (3, 6, 12)
        for layouts in (2, 30)
    ]
    cells = pd.DataFrame(rows, columns=["arm", "measure", LABELS, LAYOUTS, "value", "n"])
    return cells.assign(low=cells["value"] - 0.1, high=cells["value"] + 0.1)


def drawn(figure: Any) -> list[Any]:
    return list(figure.draw().data)


def test_a_map_has_the_first_factor_down_and_the_second_across(cells: pd.DataFrame):
    figure = set_map(cells, [LABELS, LAYOUTS], 2, "Null.")
    first, second = drawn(figure)
    assert list(first.y) == ["3", "6", "12"]
    assert list(first.x) == ["2", "30"]
    assert first.z.tolist() == second.z.tolist()
    assert first.z[2].tolist() == pytest.approx([0.122, 0.15])
    assert figure.key == "map-2"
    assert "a mean over 4 to 5 seeds" in figure.how_to_read
    assert figure.how_to_read.endswith("Null.")
    assert figure.table is cells


def test_lines_run_along_the_first_factor_one_for_each_value_of_the_second(cells: pd.DataFrame):
    figure = set_lines(cells, [LABELS, LAYOUTS], 0, "Null.")
    lines = [trace for trace in drawn(figure) if trace.hoverinfo == "text"]
    assert len(lines) == 2 * 2
    assert list(lines[0].x) == [3, 6, 12]
    assert lines[1].y.tolist() == pytest.approx([0.06, 0.09, 0.15])
    assert lines[1].line.width > lines[0].line.width
    assert (
        "a line for each value of layouts per pair (split.layouts_per_pair)" in figure.how_to_read
    )


def test_one_factor_has_one_line(cells: pd.DataFrame):
    alone = cells[cells[LAYOUTS] == 2].drop(columns=LAYOUTS)
    figure = set_lines(alone, [LABELS], 0, "Null.")
    lines = [trace for trace in drawn(figure) if trace.hoverinfo == "text"]
    assert len(lines) == 2
    assert "one point a value; bands are 95 % intervals over 4 seeds" in figure.how_to_read
