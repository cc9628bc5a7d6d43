"""Every ablation of the standard table in words that tell it from all others, and its figures."""

import pandas as pd
import pytest

from lrinterp.analysis.ablation.ablation_figures import (
    COURSES,
    ablation_words,
    doses_figure,
    estimate_figure,
    heads_figure,
    layers_figure,
    order_figure,
    order_rows,
    shape_figure,
    split_figure,
)
from lrinterp.analysis.ablation.ablations import Ablation, columns_of, standard
from lrinterp.analysis.ablation.term_ablation import term_ablation
from lrinterp.encoders import DualEncoder, preset
from lrinterp.result import Metric
from lrinterp.run import Edit


def towers(layers: int = 1) -> DualEncoder:
    config = preset("minimal", d_model=8, n_heads=2, d_head=4, d_embed=6, image_layers=layers)
    return DualEncoder.build(config, {"image": (6, 5), "text": (14, 9)}, 0)


MODEL, DEEP = towers(), towers(3)


def cells(ablations: list[Ablation], model: DualEncoder) -> list[dict[str, str]]:
    """Of those that edit all heads, what the table says of each."""
    return [columns_of(one, model) for one in ablations if all(e.heads is None for e in one)]


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ((), "intact"),
        ((Edit(how="keep"),), "key-position alone"),
        ((Edit(), Edit(tower="text")), "both towers, without key-position"),
        ((Edit(what="EP+PP+bP+VP"),), "without key-position and VP"),
    ],
)
def test_ablations_read_as_phrases(edits, expected):
    assert ablation_words({"model": "trained", **columns_of(edits, MODEL)}) == expected


def shown() -> pd.DataFrame:
    """The order rows of a deep tower, each with a number of its own."""
    common = {"model": "trained", "set": "unseen_pair", "metric": "order"}
    rows = cells(standard(DEEP), DEEP)
    table = [{**r, **common, "value": i / 100, "low": 0.4, "high": 0.6} for i, r in enumerate(rows)]
    return order_rows(pd.DataFrame(table), "unseen_pair")


def test_the_rows_of_a_deep_tower_say_which_layers_they_edit():
    """In its figures no two bars share their words, and towers of one layer say nothing."""
    found = shown()
    found = found[(found["gauge"] != "raw") & found["dose"].isin(("0", "1"))]["ablation"].tolist()
    assert len(set(found)) == len(found)
    assert "without key-position in all layers, pooled row" in found
    assert "text tower, without key-position" in found


def test_layers_are_drawn_beside_all_together_and_the_intact_tower():
    found = shown()
    layers = layers_figure(found, "unseen_pair", 0.5)
    assert set(layers.table["layers"][1:]) == {"all", "0", "1", "2"}
    assert set(layers.table["dose"][1:]) == {"0"}
    assert len(layers.table) == 5
    split = split_figure(found, 0.5)
    assert set(split.table["layers"]) == {"0"}
    order = order_figure(found, "unseen_pair", 0.5)
    assert "without key-position in layer 1" not in set(order.table["ablation"])


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


def test_courses_and_doses_of_the_micro_model(micro_recording):
    """Each course beside what algebra predicts; doses go from wrong to right."""
    result = term_ablation(micro_recording, draws=1)
    table = shape_figure(result).table.set_index("key")
    assert list(table.index) == list(COURSES)
    predicted = table["predicted"].dropna().to_dict()
    assert predicted == {"order_reversed": 0, "order_exchanged": 0, "order_equalised": 0.5}
    assert table["gap_value"].dropna().tolist() == [0, 0, 0]
    assert table.loc["order_linear_only", "swap accuracy"] == 1
    assert table.loc["order_residual_only", "swap accuracy"] == 0.5
    doses = doses_figure(result).table
    assert doses["key-position multiplied by"].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert doses["swap accuracy"].tolist() == [0, 0, 0.5, 1, 1]


def test_heads_are_sorted_by_what_their_removal_or_exchange_costs():
    lost = {(0, head): Metric(value=value, n=4) for head, value in enumerate((0.1, 0.5, -0.2))}
    for figure in (heads_figure(lost), heads_figure(lost, exchanged=True)):
        assert figure.table["head"].tolist() == ["L0H1", "L0H0", "L0H2"]
