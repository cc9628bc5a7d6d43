"""Order by relation word and by distance: its parts add up to the whole."""

from typing import Any

import numpy as np
import pytest

from lrinterp.analysis.order_parts import by_distance, by_label, by_template
from lrinterp.scoring import credits


def test_templates_average_to_the_whole(no_gradient: Any):
    examples, scores = no_gradient.examples, no_gradient.scores
    index = examples.where("unseen_pair")
    whole = credits(scores[index], examples.at(index), "order", "pair").mean()
    rows = [row for row in by_template(no_gradient) if row["set"] == "unseen_pair"]
    assert [row["template"] for row in rows] == ["left", "right"]
    assert np.mean([row["value"] for row in rows]) == pytest.approx(whole)


def test_one_template_has_no_parts(left_right: Any):
    assert not list(by_template(left_right))


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
