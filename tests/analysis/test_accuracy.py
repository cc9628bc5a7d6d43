"""Every accuracy of the micro-model, by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from lrinterp import record
from lrinterp.analysis.accuracy import accuracy
from lrinterp.analysis.order_parts import MOST_LABELS, label_figure, order_by_label
from lrinterp.analysis.read import value_of
from lrinterp.scoring import METRICS, credits

BY_HAND = {
    # A picture of two labels at right angles points where its caption does, nowhere else.
    **{("seen_pair", *pair): 1.0 for pair in METRICS},
    **{("unseen_pair", *pair): 1.0 for pair in METRICS},
    # Opposite labels cancel: cat at the right end of apple is -1 times apple, and so are the
    # captions "cat" and "apple is on the left of cat". This tie earns a half, on 12 of 24.
    ("mixed_pair", "order", "pair"): 1.0,
    ("mixed_pair", "retrieval", "closed"): 1.0,
    ("mixed_pair", "retrieval", "open"): 0.75,
    ("mixed_pair", "label_set", "closed"): 1.0,
    ("mixed_pair", "label_set", "open"): 0.75,
    # One object: tied with the caption that puts its opposite on its left.
    ("single", "order", "pair"): None,
    ("single", "retrieval", "closed"): 1.0,
    ("single", "retrieval", "open"): 0.5,
    ("single", "label_set", "closed"): 1.0,
    ("single", "label_set", "open"): 0.5,
}


def test_every_accuracy_of_the_micro_model_by_hand(micro_recording):
    table = accuracy(micro_recording).frame().to_dict("records")
    values = {(row["set"], row["metric"], row["candidates"]): row["value"] for row in table}
    assert set(values) == set(BY_HAND)
    for key, expected in BY_HAND.items():
        got = values[key]
        assert got == pytest.approx(expected) if expected is not None else np.isnan(got), key


def test_counts_and_labels_of_the_micro_world(micro_recording):
    rows = {
        (row["set"], row["metric"], row["candidates"]): row
        for row in accuracy(micro_recording).frame().to_dict("records")
    }
    counts = {key: (row["n"], row["n_units"]) for key, row in rows.items()}
    assert counts["unseen_pair", "order", "pair"] == (6, 2)
    assert counts["seen_pair", "order", "pair"] == (4, 2)
    assert counts["mixed_pair", "order", "pair"] == (24, 4)
    assert counts["single", "label_set", "open"] == (4, 4)
    assert counts["single", "order", "pair"] == (0, 0)
    reasons = {key: row["reason"] for key, row in rows.items() if isinstance(row["reason"], str)}
    assert reasons == {("single", "order", "pair"): "order is not defined for one object"}


def test_a_model_that_cannot_tell_scores_a_half(micro, micro_examples):
    """Without any positional preference all orders tie."""
    micro.image.pos_embed.W_pos.data[1:] = 0
    summary = accuracy(record(micro, micro_examples)).metrics
    assert summary["unseen_pair_order"].value == 0.5
    assert summary["seen_pair_order"].value == 0.5


def test_no_held_out_pairs_gives_nulls(all_trained):
    result = accuracy(all_trained)
    order = result.metrics["unseen_pair_order"]
    assert (order.value, order.low, order.high, order.n) == (None, None, None, 0)
    assert result.metrics["seen_pair_order"].value == 1
    assert result.figures()[0].table["set"].tolist().count("unseen_pair") == 0


def test_order_by_distance_against_a_loop(left_right):
    """The parts make up the whole."""
    result = accuracy(left_right)
    examples = left_right.examples.of("unseen_pair")
    scores = left_right.scores[torch.from_numpy(left_right.examples.where("unseen_pair"))]
    order = credits(scores, examples, "order", "pair")
    for row in result.distances.to_dict("records"):
        here = [b - a == row["distance"] for a, b in examples.image_pixels.tolist()]
        assert row["n"] == sum(here)
        assert row["value"] == pytest.approx(order[here].mean())
    assert result.distances["n"].sum() == len(examples)


def test_order_by_template_against_a_loop(no_gradient):
    """Their mean is order over both; a world of one template has no such rows."""
    result, examples, scores = accuracy(no_gradient), no_gradient.examples, no_gradient.scores
    text = {caption: i for i, caption in enumerate(examples.caption_text)}
    for word in ("left", "right"):
        right = []
        for i in examples.where("unseen_pair"):
            named = [examples.label_words[label] for label in examples.image_labels[i]]
            named = named if word == "left" else named[::-1]
            true, swap = (
                scores[i, text[f"{a} is on the {word} of {b}"]] for a, b in (named, named[::-1])
            )
            best = [bool(one >= max(true, swap) - 1e-6) for one in (true, swap)]
            right.append(best[0] / sum(best))
        found = result.metrics[f"unseen_pair_order_{word}"]
        assert (found.value, found.n) == (pytest.approx(np.mean(right)), len(right))
    both = [value_of(result.metrics[f"unseen_pair_order_{word}"]) for word in ("left", "right")]
    assert np.mean(both) == pytest.approx(result.metrics["unseen_pair_order"].value)


def test_labels_average_to_the_whole_and_the_lowest_comes_first(left_right: Any):
    examples, rows = left_right.examples, list(order_by_label(left_right))
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
