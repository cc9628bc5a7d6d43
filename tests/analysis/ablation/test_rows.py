"""The list of ablations: what a table holds by the size of its towers, and how rows are called."""

import pytest

from lrinterp import DualEncoder, Scenes, Split, World, preset
from lrinterp.analysis.ablation import rows as ablation_rows
from lrinterp.analysis.ablation.rows import (
    DOSES,
    Listed,
    cells_of,
    is_random,
    label_of,
    seeded,
)
from lrinterp.run import KINDS, Edit


def towers(image: int = 1, text: int = 1) -> Listed:
    split = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=4), split)
    sizes = {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 6}
    config = preset("minimal", **sizes, image_layers=image, text_layers=text)
    return Listed(model=DualEncoder.build(config, scenes.sizes, 0))


def test_the_standard_table_holds_what_is_promised():
    found = towers()
    labels = [label_of(one, found.model) for one in found.standard()]
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
    for dose in DOSES[:-1]:
        assert first("EP+PP+bP", "all", "flatten", f"{dose:g}", "canonical") in labels
    cells = [cells_of(one, found.model) for one in found.standard()]
    assert {row["kind"] for row in cells} == {"none", *KINDS} - {"patch", "add"}
    assert {row["terms"] for row in cells} >= {"VP", "EP+VP", "EP+PP+bP+VP"}
    assert {row["encoder"] for row in cells} == {"image", "text", "both"}


def test_a_tower_of_one_layer_is_edited_in_its_pooled_row_alone():
    found = towers()
    for ablation in found.standard():
        cells = cells_of(ablation, found.model)
        assert (cells["layers"], cells["queries"]) == ("0", "pooled")
    assert found.standard()[0] == ()
    assert found.whole("flatten", layers=(0,)) == found.without


def test_a_deep_tower_is_edited_in_all_layers_in_each_and_in_its_heads():
    found = towers(3, 2)
    labels = [label_of(one, found.model) for one in found.standard()]
    assert len(set(labels)) == len(labels)
    gauges = {"all": "canonical, means", "0": "canonical", "1": "means", "2": "means"}
    place = "image/EP+PP+bP/{}/flatten/0/{}/{}/{}".format
    assert place("all", gauges["all"], "all", "all") in labels
    assert place("all", gauges["all"], "all", "pooled") in labels
    for layer in "012":
        assert place("all", gauges[layer], layer, "all") in labels
        for head in "01":
            assert place(head, gauges[layer], layer, "all") in labels
            one = found.head(int(layer), int(head))
            assert label_of(one, found.model) == place(head, gauges[layer], layer, "all")
    assert found.heads() == [(layer, head) for layer in range(3) for head in range(2)]


def test_a_large_tower_gets_a_short_list_without_heads(monkeypatch):
    found, full = towers(2), len(towers(2).standard())
    assert not found.large
    monkeypatch.setattr(ablation_rows, "LARGE", 3)
    assert found.large
    short = found.standard()
    assert len(short) < full / 2
    assert all(edit.heads is None for one in short for edit in one)
    assert not any(edit.gauge == "raw" for one in short for edit in one)
    assert set(dict.fromkeys(one for one, _ in found.named.values())) <= set(short)


def test_doses_go_from_the_term_turned_round_to_the_intact_model():
    doses = dict(towers().doses())
    assert list(doses) == list(DOSES)
    assert doses[1] == ()
    assert doses[0] == towers().without
    assert [one[0].dose for dose, one in doses.items() if dose != 1] == list(DOSES[:-1])


@pytest.mark.parametrize(
    "key", ["order_placebo_minus_without", "order_intact_minus_key_position_only"]
)
def test_differences_are_of_two_that_are_listed(key):
    found = towers(2)
    one, other = found.named[key]
    assert {one, other} <= set(found.standard())
    assert one != other


def test_draws_are_seeds_of_every_edit():
    both = (Edit(how="placebo"), Edit(how="placebo", tower="text"))
    assert [edit.seed for edit in seeded(both, 4)] == [4, 4]
    assert seeded(both, 0) == both
    assert is_random(both)
    assert is_random((Edit(what="EE", how="resample", queries="pooled"), Edit()))
    assert not is_random((Edit(), Edit(how="reverse")))
    assert not is_random(())
