"""Edits as data: what is refused and in which words, equality, and what they say of themselves."""

from typing import Any

import pytest
import torch

from lrinterp.run import Edit

SITE: dict[str, Any] = {"what": "resid_pre", "how": "zero"}
ADD: dict[str, Any] = {"what": "resid_pre", "how": "add"}


def test_edits_are_compared_and_hashed_like_numbers():
    """Other names, lists and tensors are the same Edit; every field counts."""
    assert Edit(what="key_position") == Edit(what="EP+PP+bP") == Edit()
    assert hash(Edit(what="key_position", heads=[1])) == hash(Edit(heads=(1,)))
    assert Edit(layers=[0], heads=[1, 2]) == Edit(layers=(0,), heads=(1, 2))
    assert Edit(vector=torch.ones(4), **ADD) == Edit(vector=(1.0,) * 4, **ADD)
    others = [Edit(what="EP"), Edit(heads=(0,)), Edit(seed=1), Edit(how="zero")]
    others += [Edit(vector=torch.full((4,), value), **ADD) for value in (1.0, 2.0)]
    assert len({Edit(), Edit(), *others, *others}) == 7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"what": "EX"}, r"what: expected one of key_position, .*attention, resid_pre, .*got 'EX'"),
        ({"what": "EP+"}, r"what: expected one of .*, VP, got ''"),
        ({"how": "mean"}, r"how: expected one of flatten, .*resample, got 'mean'"),
        ({"how": "exchange"}, "how: .*got 'exchange'"),
        ({"what": "VP", "how": "keep"}, "how: expected one of flatten, zero, got 'keep'"),
        ({"what": "attention"}, "how: expected one of exchange, equalise, got 'flatten'"),
        ({"what": "z"}, "how: expected one of zero, patch, add, got 'flatten'"),
        ({"what": "z", "how": "patch"}, "source: a run to patch from goes with how='patch'"),
        (SITE | {"vector": torch.zeros(2)}, "vector: what to add goes with how='add'"),
        (ADD, "vector: what to add goes with how='add'"),
        (ADD | {"vector": (0.0, float("nan"))}, "expected finite numbers"),
        ({"alpha": float("inf")}, "expected finite numbers"),
        ({"gauge": "other"}, "gauge: expected one of own, means, canonical, raw, got 'other'"),
        ({"gauge": "raw"}, "gauge: raw is a split of the first layer's weights alone"),
        ({"gauge": "canonical", "layers": (0, 1)}, "gauge: canonical is a split of the first"),
        (SITE | {"heads": (0,)}, "resid_pre belongs to no head"),
        ({"layers": (0, 0)}, "layers: expected whole numbers, each once, .*got"),
        ({"heads": ()}, "heads: expected whole numbers, each once, or None for all, got"),
    ],
)
def test_what_means_nothing_is_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Edit(**fields)


def test_scaling_multiplies_the_change():
    edit = Edit(heads=(1,)).scaled(0.5)
    assert (edit.alpha, edit.heads) == (0.5, (1,))
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
    assert Edit(layers=(1,), **SITE).within(two).queries == "all"


def test_an_edit_says_what_it_is(made):
    tower = made(2).towers["image"].tower
    assert Edit(heads=(0, 1)).scaled(0.5).cells(tower) == {
        "encoder": "image", "terms": "EP+PP+bP", "heads": "0,1", "kind": "flatten", "dose": "0.5",
        "gauge": "canonical, means", "layers": "all", "queries": "all",
    }  # fmt: skip
    assert Edit(layers=(1,)).cells(tower)["gauge"] == "means"
    assert Edit(gauge="means").cells(tower)["gauge"] == "means"
    for what, hook in {"mlp_out": "blocks.1.hook_mlp_out", "z": "blocks.1.attn.hook_z"}.items():
        assert Edit(what=what, how="zero").hook(1) == hook
