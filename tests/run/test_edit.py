"""Edits as data: what is refused and in which words, equality, and what they say of themselves."""

from typing import Any

import pytest
import torch
from jaxtyping import TypeCheckError

from lrinterp.decomposition import KEY_CONTENT, KEY_POSITION
from lrinterp.run import KINDS, RANDOM, Edit

SITE = {"what": "resid_pre", "how": "zero"}


def test_key_position_of_the_image_tower_is_the_plain_edit():
    edit = Edit()
    assert edit.terms == KEY_POSITION
    assert (edit.tower, edit.how, edit.layers, edit.heads, edit.queries) == (
        "image", "flatten", None, None, "all",
    )  # fmt: skip
    assert Edit(what="key_content").terms == KEY_CONTENT
    assert Edit(what="value_position").what == "VP"
    assert Edit(what="EP+VP").terms == ("EP",)
    assert Edit(what="EP+VP").values
    assert not edit.values


def test_lists_are_tuples():
    assert Edit(layers=[0], heads=[1, 2]) == Edit(layers=(0,), heads=(1, 2))
    assert hash(Edit(heads=[1])) == hash(Edit(heads=(1,)))


def test_names_are_other_words_for_terms():
    assert Edit(what="key_position") == Edit(what="EP+PP+bP") == Edit()
    assert hash(Edit(what="key_position")) == hash(Edit())
    assert Edit() != Edit(how="zero")
    assert len({Edit(), Edit(what="EP"), Edit(), Edit(heads=(0,)), Edit(seed=1)}) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"what": "EX"}, r"what: expected one of key_position, .*attention, resid_pre, .*got 'EX'"),
        ({"what": "EP+"}, r"what: expected one of .*, VP, got ''"),
        ({"what": "residual"}, "got 'residual'"),
        ({"how": "mean"}, r"how: expected one of flatten, .*resample of EP\+PP\+bP, got 'mean'"),
        ({"how": "exchange"}, r"how: .* of EP\+PP\+bP, got 'exchange'"),
        ({"how": "patch"}, "how: .*got 'patch'"),
        ({"what": "EP+VP", "how": "reverse"}, r"how: expected one of flatten, zero of EP\+VP"),
        ({"what": "VP", "how": "keep"}, r"how: expected one of flatten, zero of VP, got 'keep'"),
        ({"what": "attention"}, "how: expected one of exchange, equalise of attention, got 'flat"),
        ({"what": "z"}, "how: expected one of zero, patch, add of z, got 'flatten'"),
        ({"what": "z", "how": "patch"}, "source: a run to patch from goes with how='patch'"),
        ({"what": "z", "how": "add"}, "vector: what to add goes with how='add'"),
        (SITE | {"vector": torch.zeros(2)}, "vector: what to add goes with how='add'"),
        ({"gauge": "other"}, "gauge: expected one of own, means, canonical, raw, got 'other'"),
        ({"gauge": "raw"}, "gauge: raw is a split of the first layer's weights alone"),
        ({"gauge": "canonical", "layers": (0, 1)}, "gauge: canonical is a split of the first"),
    ],
)
def test_what_means_nothing_is_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Edit(**fields)


def test_every_kind_goes_with_something(made):
    source = made().towers["image"]
    for how in KINDS:
        about: dict[str, Any] = {"how": how}
        if how in ("exchange", "equalise"):
            about |= {"what": "attention"}
        if how in ("patch", "add"):
            about |= {"what": "v", "source": source if how == "patch" else None}
            about |= {"vector": torch.zeros(4) if how == "add" else None}
        assert Edit(**about).how == how
    assert set(RANDOM) < set(KINDS)


def test_fields_have_types():
    with pytest.raises((TypeError, TypeCheckError)):
        Edit("EP")  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Edit().how = "zero"  # type: ignore[misc]


def test_scaling_multiplies_the_change():
    edit = Edit(heads=(1,)).scaled(0.5)
    assert (edit.alpha, edit.heads) == (0.5, (1,))
    assert edit.scaled(4.0).alpha == 2
    assert edit.scaled(2.0) == Edit(heads=(1,))
    assert (edit.dose, Edit().dose, Edit(how="zero").scaled(2.0).dose) == (0.5, 0, -1)
    assert Edit(how="reverse").scaled(0.25).dose == 0.25


def test_edits_that_change_a_tower_alike_are_one_within_it(made):
    one, two = (made(layers).towers["image"].tower for layers in (1, 2))
    whole = Edit().within(one)
    assert whole == Edit(layers=(0,)).within(one) == Edit(layers=(0,), queries="pooled").within(one)
    assert whole == Edit(layers=(0,), gauge="canonical").within(one)
    assert (whole.layers, whole.queries, whole.gauge) == ((0,), "pooled", "canonical")
    assert Edit().within(two) == Edit(layers=(0, 1)).within(two)
    assert Edit().within(two).layers is None
    assert Edit(layers=(0,)).within(two).queries == "all"
    assert Edit(layers=(1,)).within(two) != Edit(layers=(1,), queries="pooled").within(two)
    assert Edit(what="resid_pre", how="zero", layers=(1,)).within(two).queries == "all"
    assert Edit().within(two).within(two) == Edit().within(two)


def test_a_layer_that_is_not_there_is_named(made):
    tower = made(2).towers["image"].tower
    assert Edit().layers_of(tower) == (0, 1)
    for layer in (2, -1):
        with pytest.raises(ValueError, match=f"layer: expected 0 to 1, got {layer}"):
            Edit(layers=(0, layer)).layers_of(tower)


def test_an_edit_says_what_it_is(made):
    tower = made(2).towers["image"].tower
    cells = Edit(heads=(0, 1), how="flatten").scaled(0.5).cells(tower)
    assert cells == {
        "encoder": "image",
        "terms": "EP+PP+bP",
        "heads": "0,1",
        "kind": "flatten",
        "dose": "0.5",
        "gauge": "canonical, means",
        "layers": "all",
        "queries": "all",
    }
    assert Edit(layers=(1,)).cells(tower)["gauge"] == "means"
    assert Edit(gauge="means").cells(tower)["gauge"] == "means"
    assert Edit().cells()["gauge"] == "own"


@pytest.mark.parametrize(
    ("what", "hook"),
    [
        ("resid_pre", "blocks.1.hook_resid_pre"),
        ("mlp_out", "blocks.1.hook_mlp_out"),
        ("z", "blocks.1.attn.hook_z"),
        ("pattern", "blocks.1.attn.hook_pattern"),
    ],
)
def test_a_site_has_a_hook(what, hook, made):
    edit = Edit(what=what, how="zero")
    assert edit.hook(1) == hook
    assert hook in made(2).towers["image"].tower.hook_dict


def test_vectors_and_places_count_when_edits_are_compared():
    one, other = (
        Edit(what="resid_pre", how="add", vector=torch.full((4,), value)) for value in (1.0, 2.0)
    )
    assert one == Edit(what="resid_pre", how="add", vector=torch.ones(4))
    assert len({one, other, one}) == 2
    with pytest.raises(ValueError, match="resid_pre belongs to no head"):
        Edit(what="resid_pre", how="zero", heads=(0,))
    with pytest.raises(ValueError, match="expected some, or None for all"):
        Edit(layers=())
    with pytest.raises(ValueError, match="expected some, or None for all"):
        Edit(heads=())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"alpha": float("nan")}, "finite"),
        ({"alpha": float("inf")}, "finite"),
        ({"what": "z", "how": "add", "vector": (0.0, float("nan"))}, "finite"),
        ({"layers": (0, 0)}, "each once"),
        ({"heads": ()}, "expected some"),
    ],
)
def test_what_would_change_nothing_or_too_much_is_refused(fields, said):
    with pytest.raises(ValueError, match=said):
        Edit(**fields)
