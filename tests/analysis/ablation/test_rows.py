"""The list of ablations: what a table holds by the size of its towers, and how rows are called."""

import pytest

from lrinterp import DualEncoder, Scenes, Split, World, preset
from lrinterp.analysis import subject
from lrinterp.analysis.ablation.rows import (
    DOSES,
    NAMED,
    REMOVED,
    cells_of,
    is_random,
    label_of,
    one_head,
    standard,
    within,
)
from lrinterp.analysis.subject import heads_of, is_large
from lrinterp.run import KINDS, Edit


def towers(image: int = 1, text: int = 1) -> DualEncoder:
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=4), split)
    sizes = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}
    config = preset("minimal", **sizes, image_layers=image, text_layers=text)
    return DualEncoder.build(config, scenes.sizes, 0)


def test_the_standard_table_holds_what_is_promised():
    model = towers()
    labels = [label_of(one, model) for one in standard(model)]
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
    for dose in list(DOSES)[:-1]:
        assert first("EP+PP+bP", "all", "flatten", f"{dose:g}", "canonical") in labels
    cells = [cells_of(one, model) for one in standard(model)]
    assert {row["kind"] for row in cells} == {"none", *KINDS} - {"patch", "add"}
    assert {row["terms"] for row in cells} >= {"VP", "EP+VP", "EP+PP+bP+VP"}
    assert {row["encoder"] for row in cells} == {"image", "text", "both"}


def test_a_tower_of_one_layer_is_edited_in_its_pooled_row_alone():
    model = towers()
    for ablation in standard(model):
        cells = cells_of(ablation, model)
        assert (cells["layers"], cells["queries"]) == ("0", "pooled")
    assert standard(model)[0] == ()
    assert within(model, (Edit(layers=(0,)),)) == within(model, REMOVED)


def test_a_deep_tower_is_edited_in_all_layers_in_each_and_in_its_heads():
    model = towers(3, 2)
    labels = [label_of(one, model) for one in standard(model)]
    assert len(set(labels)) == len(labels)
    gauges = {"all": "canonical, means", "0": "canonical", "1": "means", "2": "means"}
    place = "image/EP+PP+bP/{}/flatten/0/{}/{}/{}".format
    assert place("all", gauges["all"], "all", "all") in labels
    assert place("all", gauges["all"], "all", "pooled") in labels
    for layer in "012":
        assert place("all", gauges[layer], layer, "all") in labels
        for head in "01":
            assert place(head, gauges[layer], layer, "all") in labels
            one = one_head(int(layer), int(head))
            assert label_of(one, model) == place(head, gauges[layer], layer, "all")
    assert heads_of(model) == [(layer, head) for layer in range(3) for head in range(2)]


def test_a_large_tower_gets_a_short_list_without_heads(monkeypatch):
    model = towers(2)
    full = len(standard(model))
    assert not is_large(model)
    monkeypatch.setattr(subject, "LARGE", 3)
    assert is_large(model)
    short = standard(model)
    assert len(short) < full / 2
    assert all(edit.heads is None for one in short for edit in one)
    assert not any(edit.gauge == "raw" for one in short for edit in one)
    assert {within(model, one) for one, *_ in NAMED.values()} <= set(short)


def test_doses_go_from_the_term_turned_round_to_the_intact_model():
    assert list(DOSES) == [-1, -0.5, 0, 0.5, 1]
    assert DOSES[1] == ()
    assert DOSES[0] == REMOVED
    assert all(one[0].dose == dose for dose, one in DOSES.items() if dose != 1)


@pytest.mark.parametrize(
    "key", ["order_placebo_minus_without", "order_intact_minus_key_position_only"]
)
def test_differences_are_of_two_that_are_listed(key):
    model = towers(2)
    one, other = (within(model, ablation) for ablation in NAMED[key])
    assert {one, other} <= set(standard(model))
    assert one != other


def test_draws_are_seeds_of_every_edit():
    both = (Edit(how="placebo"), Edit(how="placebo", tower="text"))
    deep = towers(2, 2)
    assert [edit.seed for edit in within(deep, both, 4)] == [4, 4]
    assert within(deep, both) == both
    assert is_random(both)
    assert is_random((Edit(what="EE", how="resample", queries="pooled"), Edit()))
    assert not is_random((Edit(), Edit(how="reverse")))
    assert not is_random(())
