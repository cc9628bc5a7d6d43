"""Every ablation of the standard table in words that tell it from all others, and its figures."""

import pandas as pd

from lrinterp.analysis.ablation.figures import (
    ablation_words,
    estimate_figure,
    layers_figure,
    order_figure,
    order_rows,
    split_figure,
)
from lrinterp.analysis.ablation.rows import Row, standard_rows


def words(row: Row, model: str = "trained") -> str:
    return ablation_words({"model": model, **row.cells})


def test_ablations_read_as_phrases():
    position = ("EP", "PP", "bP")
    assert words(Row()) == "intact"
    assert words(Row(), "untrained") == "untrained model, intact"
    assert words(Row(terms=position, kind="keep")) == "key-position alone"
    assert words(Row(terms=position, kind="flatten", encoder="text")) == (
        "text tower, without key-position"
    )
    assert words(Row(terms=("EP", "VP"), kind="zero", gauge="raw")) == "without EP and VP"
    assert words(Row(terms=(*position, "VP"), kind="flatten")) == "without key-position and VP"


def test_no_two_ablations_of_all_heads_in_one_gauge_share_their_words():
    rows = [row for row in standard_rows(2) if row.heads is None]
    named = [(words(row), row.gauge) for row in rows]
    assert len(set(named)) == len(named)


def test_the_rows_of_a_deep_tower_say_which_layers_they_edit():
    """In its figures no two bars share their words, and towers of one layer say nothing."""
    rows = [
        r for r in standard_rows(2, image_layers=3) if r.heads is None and r.gauge == "canonical"
    ]
    common = {"model": "trained", "set": "unseen_pair", "metric": "order", "value": 0.5}
    table = pd.DataFrame([{**row.cells, **common} for row in rows])
    found = order_rows(table, "unseen_pair")["ablation"].tolist()
    assert len(set(found)) == len(found)
    assert found[:2] == ["intact", "without key-position in all layers"]
    assert "without key-position in all layers, pooled row" in found
    assert "without key-position in layer 2" in found
    assert "without key-position in layer 0" in found
    assert "without key-position in layer 0, pooled row" in found
    assert found[-2:] == ["text tower, without key-position", "text tower, key-position alone"]


def test_layers_are_drawn_beside_all_together_and_the_intact_tower():
    rows = standard_rows(2, image_layers=3)
    common = {"model": "trained", "set": "unseen_pair", "metric": "order"}
    numbers = {"low": 0.4, "high": 0.6}
    table = [{**r.cells, **common, "value": i / 100, **numbers} for i, r in enumerate(rows)]
    found = order_rows(pd.DataFrame(table), "unseen_pair")
    layers = layers_figure(found, "unseen_pair", 0.5)
    assert set(layers.table["layers"][1:]) == {"all", "0", "1", "2"}
    assert len(layers.table) == 5
    assert set(layers.table["queries"][1:]) == {"all"}
    split = split_figure(found, 0.5)
    assert set(split.table["layers"]) == {"0"}
    order = order_figure(found, "unseen_pair", 0.5)
    assert "all layers and query rows" in order.how_to_read
    assert not {"without key-position in layer 1"} & set(order.table["ablation"])


def test_estimates_meet_what_was_measured():
    place = {"terms": "EP+PP+bP", "kind": "flatten", "queries": "all", "n": 9}
    numbers = [("0", "1", 0.25, None), ("1", "0", -0.5, -0.75), ("1", "1", 0.125, 0.0625)]
    rows = []
    for layer, head, estimate, exact in numbers:
        common = {**place, "layers": layer, "heads": head, "low": None, "high": None}
        rows.append({**common, "candidates": "first order", "value": estimate})
        if exact is not None:
            ends = {"low": exact - 0.1, "high": exact + 0.1}
            rows.append({**common, "candidates": "exact", "value": exact, **ends})
    figure = estimate_figure(pd.DataFrame(rows))
    assert figure.table["head"].tolist() == ["L1H0", "L1H1"]
    assert figure.table["estimated change"].tolist() == [-0.5, 0.125]
    assert figure.table["exact change"].tolist() == [-0.75, 0.0625]
    assert "n = 2 heads" in figure.how_to_read
