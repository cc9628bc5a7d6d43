"""Order by relation word, label and distance: its parts add up to the whole, and are drawn."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.analysis.order_parts import (
    MOST_LABELS,
    by_distance,
    by_label,
    by_template,
    distance_figure,
    label_figure,
)
from lrinterp.analysis.read import number
from lrinterp.scoring import credits


def test_templates_average_to_the_whole(no_gradient: Any):
    examples, scores = no_gradient.examples, no_gradient.scores
    index = examples.where("unseen_pair")
    whole = credits(scores[index], examples.at(index), "order", "pair").mean()
    parts = by_template(no_gradient, "unseen_pair")
    assert list(parts) == ["unseen_pair_order_left", "unseen_pair_order_right"]
    assert np.mean([number(part) for part in parts.values()]) == pytest.approx(whole)


def test_one_template_has_no_parts(left_right: Any):
    assert not by_template(left_right, "unseen_pair")


def test_distances_average_to_the_whole(left_right: Any):
    examples, rows = left_right.examples, list(by_distance(left_right))
    index = examples.where("unseen_pair")
    whole = credits(left_right.scores[index], examples.at(index), "order", "pair").mean()
    assert np.average([row["value"] for row in rows], weights=[row["n"] for row in rows]) == (
        pytest.approx(whole)
    )
    apart = np.diff(examples.at(index).image_pixels, axis=1).min(1)
    assert [row["distance"] for row in rows] == np.unique(apart).tolist()


def test_labels_average_to_the_whole_and_the_lowest_comes_first(left_right: Any):
    examples, rows = left_right.examples, list(by_label(left_right))
    index = examples.where("unseen_pair")
    part = examples.at(index)
    credit = credits(left_right.scores[index], part, "order", "pair")
    assert [row["value"] for row in rows] == sorted(row["value"] for row in rows)
    for row in rows:
        label = examples.label_words.index(row["label"])
        here = np.array([label in labels for labels in part.image_labels.tolist()])
        assert row["value"] == pytest.approx(credit[here].mean())
    # every picture counts for both of its labels
    assert np.average([r["value"] for r in rows], weights=[r["n"] for r in rows]) == (
        pytest.approx(credit.mean())
    )


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
