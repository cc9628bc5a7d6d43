"""Figures of order by label and by distance hold the numbers of their tables."""

from typing import Any

import pandas as pd

from lrinterp.analysis.accuracy_figures import MOST_LABELS, distance_figure, label_figure


def test_the_lowest_labels_are_drawn_and_all_are_in_the_table():
    rows = [{"label": f"thing{i:02}", "value": i / 40, "n": 9} for i in range(MOST_LABELS + 5)]
    figure = label_figure(pd.DataFrame(rows), 0.5)
    plot: Any = figure.draw()
    drawn = sorted(str(y) for trace in plot.data for y in trace.y or () if "thing" in str(y))
    assert drawn[-1] == f"thing{MOST_LABELS - 1:02}"
    assert len(figure.table) == MOST_LABELS + 5


def test_distances_are_drawn_with_their_intervals():
    rows = [
        {"distance": d, "value": 0.8, "low": 0.7, "high": 0.9, "n": 9, "n_units": 5} for d in (1, 4)
    ]
    figure = distance_figure(pd.DataFrame(rows), 0.5)
    plot: Any = figure.draw()
    assert any(0.8 in tuple(trace.y) for trace in plot.data if trace.y is not None)
    assert figure.table["low"].tolist() == [0.7, 0.7]
