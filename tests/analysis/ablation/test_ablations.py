"""The list of ablations: what a table holds by the size of its towers, and how rows are called."""

import pytest

from lrinterp import DualEncoder
from lrinterp.analysis import subject
from lrinterp.analysis.ablation.ablations import (
    DOSES,
    NUMBERS,
    ORDERS,
    REMOVED,
    SUMMARY,
    columns_of,
    is_random,
    one_head,
    standard,
    within_model,
)
from lrinterp.analysis.subject import is_large
from lrinterp.run import KINDS, Edit


def labels_of(model: DualEncoder) -> list[str]:
    return ["/".join(columns_of(one, model).values()) for one in standard(model)]


def test_the_standard_table_holds_what_is_promised(small):
    """In a tower of one layer the pooled row alone is edited."""
    model = small().model
    labels, cells = labels_of(model), [columns_of(one, model) for one in standard(model)]
    assert len(set(labels)) == len(labels)
    first = "image/{}/{}/{}/{}/{}/0/pooled".format
    for union in ("EP", "PP", "bP", "EP+PP", "EP+bP", "PP+bP", "EP+PP+bP"):
        assert first(union, "all", "zero", "0", "raw") in labels
        assert first(union, "all", "flatten", "0", "canonical") in labels
    for kind in ("placebo", "keep", "keep_objects", "permute", "reverse", "linear", "residual"):
        assert first("EP+PP+bP", "all", kind, "1", "canonical") in labels
    for head in "01":
        assert first("EP+PP+bP", head, "flatten", "0", "canonical") in labels
        assert first("attention", head, "exchange", "1", "canonical") in labels
    assert list(DOSES) == [-1, -0.5, 0, 0.5, 1]
    for dose in list(DOSES)[:-1]:
        assert first("EP+PP+bP", "all", "flatten", f"{dose:g}", "canonical") in labels
    assert {row["kind"] for row in cells} == {"none", *KINDS} - {"patch", "add"}
    assert {row["terms"] for row in cells} >= {"VP", "EP+VP", "EP+PP+bP+VP"}
    assert {row["encoder"] for row in cells} == {"image", "text", "both"}
    assert {(row["layers"], row["queries"]) for row in cells} == {("0", "pooled")}
    assert within_model(model, (Edit(layers=(0,)),)) == within_model(model, REMOVED)


def test_a_deep_tower_is_edited_in_all_layers_in_each_and_in_its_heads(small):
    model = small(image_layers=3, text_layers=2).model
    labels = labels_of(model)
    assert len(set(labels)) == len(labels)
    gauges = {"all": "canonical, means", "0": "canonical", "1": "means", "2": "means"}
    place = "image/EP+PP+bP/{}/flatten/0/{}/{}/{}".format
    assert place("all", gauges["all"], "all", "all") in labels
    assert place("all", gauges["all"], "all", "pooled") in labels
    for layer in "012":
        for head in ("all", "0", "1"):
            assert place(head, gauges[layer], layer, "all") in labels
        one = columns_of(one_head(int(layer), 1), model)
        assert "/".join(one.values()) == place("1", gauges[layer], layer, "all")


def test_a_large_tower_gets_a_short_list_without_heads(small, monkeypatch):
    """And with all that the summary is made of."""
    model = small(image_layers=2).model
    full = len(standard(model))
    assert not is_large(model)
    monkeypatch.setattr(subject, "LARGE", 3)
    short = standard(model)
    assert len(short) < full / 2
    assert all(edit.heads is None and edit.gauge != "raw" for one in short for edit in one)
    assert {within_model(model, one) for of in ORDERS.values() for one in of} <= set(short)


def test_numbers_are_those_of_the_summary_and_of_every_metric_under_some_ablations():
    assert tuple(NUMBERS)[: len(SUMMARY)] == SUMMARY
    assert NUMBERS["order_placebo_minus_without"] == (
        ORDERS["order_placebo"] + (REMOVED,),
        ("order", "pair"),
    )
    assert NUMBERS["label_set_open_without_EP_VP"][1] == ("label_set", "open")
    [[edit]], _ = NUMBERS["retrieval_closed_without_PE"]
    assert (edit.what, edit.how, edit.gauge, edit.layers) == ("PE", "zero", "raw", (0,))


def test_draws_are_seeds_of_every_edit(small):
    both = (Edit(how="placebo"), Edit(how="placebo", tower="text"))
    deep = small(image_layers=2, text_layers=2).model
    assert [edit.seed for edit in within_model(deep, both, 4)] == [4, 4]
    assert within_model(deep, both) == both


@pytest.mark.parametrize(
    ("ablation", "random"),
    [
        ((Edit(what="EE", how="resample", queries="pooled"), Edit()), True),
        ((Edit(how="placebo"),), True),
        ((Edit(), Edit(how="reverse")), False),
        ((), False),
    ],
)
def test_what_draws_at_random(ablation, random):
    assert is_random(ablation) is random
