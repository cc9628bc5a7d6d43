"""The lists of ablations: what a table holds by the size of its towers, and what a row may ask."""

import pytest

from lrinterp.analysis.ablation.rows import (
    KEEP_OBJECTS,
    Row,
    head_row,
    main_rows,
    standard_rows,
)
from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION, KINDS


def test_the_standard_table_holds_what_is_promised():
    rows = [tuple(row.cells.values())[:5] for row in standard_rows(2)]
    assert len(set(rows)) == len(rows)
    unions = ["EP", "PP", "bP", "EP+PP", "EP+bP", "PP+bP", "EP+PP+bP"]
    for union in unions:
        assert ("image", union, "all", "zero", "raw") in rows
        assert ("image", union, "all", "flatten", "canonical") in rows
    for kind in ("placebo", "keep", "keep_objects", "permute"):
        assert ("image", "EP+PP+bP", "all", kind, "canonical") in rows
    for head in "01":
        assert ("image", "EP+PP+bP", head, "flatten", "canonical") in rows
    kinds = {row[3] for row in rows}
    assert kinds == {"none", *KINDS, KEEP_OBJECTS}
    assert {row[1] for row in rows} >= {"VP", "EP+VP", "EP+PP+bP+VP"}
    assert ("text", "EP+PP+bP", "all", "flatten", "canonical") in rows


def test_a_tower_of_one_layer_is_edited_in_its_pooled_row_alone():
    rows = standard_rows(4)
    assert all(row.is_first for row in rows)
    assert [row.label for row in rows[:3]] == [
        "image/none/all/none/canonical",
        "image/EP+PP+bP/all/flatten/canonical",
        "image/EP+PP+bP/all/placebo/canonical",
    ]
    assert rows[-3].label == "image/EP+PP+bP/3/flatten/canonical"
    assert rows[1:5] == main_rows(1)[1:]


def test_a_deep_tower_is_edited_in_all_layers_in_each_and_in_its_heads():
    rows = standard_rows(2, image_layers=3, text_layers=2)
    labels = [row.label for row in rows]
    assert len(set(labels)) == len(labels)
    whole = "image/EP+PP+bP/all/{}/canonical/all/all"
    kinds = ("flatten", "placebo", "keep", KEEP_OBJECTS)
    assert labels[:5] == [Row().label, *(whole.format(kind) for kind in kinds)]
    assert "image/EP+PP+bP/all/flatten/canonical/all/pooled" in labels
    for layer in range(3):
        assert f"image/EP+PP+bP/all/flatten/canonical/{layer}/all" in labels
        for head in range(2):
            assert head_row(layer, head, 3).label in labels
            assert (
                f"image/EP+PP+bP/{head}/flatten/canonical/{layer}/all"
                == head_row(layer, head, 3).label
            )
    assert {row.label for row in standard_rows(0)} <= set(labels)
    assert labels[-2:] == [whole.replace("image", "text").format(k) for k in ("flatten", "keep")]


def test_a_large_tower_gets_a_short_list_without_heads():
    rows = standard_rows(12, image_layers=12, text_layers=12)
    assert len(rows) == 1 + 4 + 1 + 12 + 1 + 2
    assert all(row.heads is None for row in rows)
    assert not any(row.gauge == "raw" for row in rows)
    assert len(standard_rows(12, image_layers=4)) > 48  # the most that is measured head by head


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"terms": ("EP",), "kind": "flatten", "layers": (1,)}, r"layers 1, pooled rows: expected"),
        ({"terms": KEY_POSITION, "kind": "zero", "gauge": "raw", "layers": None}, r"layers all"),
        ({"terms": ("VP",), "kind": "zero", "queries": "all"}, r"layers 0, all rows: .*got VP"),
        ({"terms": KEY_CONTENT, "kind": "resample", "layers": (2,)}, "expected one of flatten"),
        ({"queries": "some"}, "queries: expected 'pooled' or 'all', got 'some'"),
    ],
)
def test_what_means_nothing_above_the_first_layer_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Row(**fields)


def test_each_layer_draws_a_placebo_of_its_own():
    row = Row(terms=KEY_POSITION, kind="placebo", layers=None, queries="all")
    edits = row.edits(seed=3, n_layers=3)
    assert [edits[layer].seed for layer in range(3)] == [3, 1003, 2003]
    assert row.edit(3) == edits[0]
    assert Row().edits(0, 2) == {}


def test_a_layer_that_is_not_there_is_named():
    row = Row(terms=KEY_POSITION, kind="flatten", layers=(0, 2), queries="all")
    with pytest.raises(ValueError, match="layer: expected 0 to 1, got 2"):
        row.edits(0, 2)
