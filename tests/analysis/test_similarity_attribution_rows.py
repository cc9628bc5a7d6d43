"""Rows of the table against plain loops: sums of each kind, roles, patches, one layer and three."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from lrinterp import Run
from lrinterp.analysis import similarity_attribution_rows as rows_module
from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.analysis.similarity_attribution_path import TakenApart, all_apart
from lrinterp.analysis.similarity_attribution_rows import WAYS, margin_metrics, margin_rows
from lrinterp.decomposition import TERMS
from lrinterp.decomposition.margin_parts import VALUE_PARTS
from lrinterp.stats import LINEAR, mean_interval

TOWERS = ("image", "text")
SUMS = ("direct", "direct by part", "direct by group")


class Case(TakenApart):
    """One tower, taken apart."""

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(margin_rows(self))


def cases(run: Run, n: int) -> dict[str, Case]:
    found, _ = all_apart(contrasts(run, n, 0))
    return {name: Case(one.contrast, one.parts, one.path) for name, one in found.items()}


def with_roles(contrast: Contrast, roles: Mapping[str, Tensor]) -> Contrast:
    """A contrast that marks other positions."""
    again = contrast.at(slice(None))
    again.clean.places = replace(again.clean.places, roles=roles)
    return again


@pytest.fixture(scope="module")
def one_layer(left_right) -> dict[str, Case]:
    return cases(left_right, 60)


@pytest.fixture(scope="module")
def deep(small) -> dict[str, Case]:
    sizes = {"d_model": 12, "d_head": 6, "d_embed": 8, "std_weights": 0.4, "std_W_E": 1.0}
    return cases(small("full", sets=None, **sizes, image_layers=2, text_layers=3), 24)


@pytest.fixture(params=["one layer", "deep"])
def every(request, one_layer, deep) -> dict[str, Case]:
    return {"one layer": one_layer, "deep": deep}[request.param]


@pytest.mark.parametrize("tower", TOWERS)
def test_rows_of_each_kind_add_up_to_the_mean_margin(every, tower: str):
    table = every[tower].table
    for kind in SUMS:
        total = table[table["kind"] == kind]["value"].sum()
        assert total == pytest.approx(every[tower].parts.margin.mean(), abs=1e-7), kind
    places = ["kind", "head", "role", "part", "pixel"]
    assert not table.duplicated(places).any()
    assert (table["encoder"] == tower).all()


@pytest.mark.parametrize("tower", TOWERS)
def test_roles_and_value_parts_against_loops(every, tower: str):
    contrast, parts = every[tower].contrast, every[tower].parts
    places = ("kind", "head", "role", "part")
    rows = {tuple(row[k] for k in places): row for row in every[tower].table.to_dict("records")}
    for h, head in enumerate(parts.heads):
        for role, mask in contrast.roles.items():
            for k, part in enumerate(VALUE_PARTS):
                read = parts.by_key[k, h]
                values = np.array([x[m.numpy()].sum() for x, m in zip(read, mask, strict=True)])
                row = rows["direct", head, role, part]
                expected = mean_interval(values, contrast.units, scale=LINEAR)
                got = (row["value"], row["low"], row["high"])
                bounds = (expected.value, expected.low, expected.high)
                assert got == pytest.approx(bounds, abs=1e-12)
        own = [
            r["value"] for (kind, name, *_), r in rows.items() if (kind, name) == ("direct", head)
        ]
        assert sum(own) == pytest.approx(rows["direct by part", head, "-", "value"]["value"])


@pytest.mark.parametrize("tower", TOWERS)
def test_rows_through_attention_add_up_to_what_attention_makes(one_layer, tower: str):
    path, table = one_layer[tower].path, one_layer[tower].table
    margins = table[table["kind"] == "margin"].set_index("part")["value"]
    assert margins["whole"] == pytest.approx(path.margin.mean())
    assert margins["key-position flattened"] == pytest.approx(path.flat_margin.mean())
    through = table[table["kind"] == "through attention"]
    for heads in (through["head"] == "all", through["head"] != "all"):
        for parts in (("key-position", "key-content"), TERMS):
            chosen = through[heads & through["part"].isin(parts)]["value"]
            whole = margins["whole"] - margins["uniform attention"]
            assert chosen.sum() == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("tower", TOWERS)
def test_what_is_added_first_last_and_on_average(one_layer, tower: str):
    """Shapley values of both parts add up to what attention makes; first and last need not."""
    path, table = one_layer[tower].path, one_layer[tower].table
    added = {way: table[table["kind"] == way].set_index("part")["value"] for way in WAYS}
    first, last, mean = added.values()
    position, content = path.alone
    whole = (path.margin - path.uniform).mean()
    assert first["key-position"] == pytest.approx((position - path.uniform).mean())
    assert last["key-position"] == pytest.approx((path.margin - content).mean())
    assert mean.sum() == pytest.approx(whole)
    assert first["key-position"] + last["key-content"] == pytest.approx(whole)
    assert abs(first["key-position"] - last["key-position"]) > 1e-3


def test_patches_against_a_loop(every):
    """Over all pictures, and for an object over those in which it stands at the patch."""
    contrast, parts, table = every["image"].contrast, every["image"].parts, every["image"].table
    pixels = contrast.recording.examples.image_pixels[contrast.pictures] + 1
    part = table[table["kind"] == "direct by patch"]
    means = np.abs([parts.parts[parts.names.index(head)].mean() for head in parts.heads])
    names = {parts.heads[k] for k in np.argsort(-means)[:4]}
    assert set(part["head"]) == {"all", *names}
    assert set(part["role"]) == {"-", "left", "right"}
    for row in part.to_dict("records"):
        heads = parts.heads if row["head"] == "all" else [row["head"]]
        pixel = int(row["pixel"])
        read = parts.by_key[:, [parts.heads.index(h) for h in heads], :, pixel].sum((0, 1))
        side = {"left": 0, "right": 1}.get(row["role"])
        here = slice(None) if side is None else np.flatnonzero(pixels[:, side] == pixel)
        assert row["value"] == pytest.approx(read[here].mean())
        assert row["n"] == len(read[here])
    for side, role in enumerate(("left", "right")):
        assert set(part[part["role"] == role]["pixel"]) == set(pixels[:, side])
    assert "direct by patch" not in set(every["text"].table["kind"])


def test_weak_heads_are_not_divided_where_the_table_would_grow(deep, monkeypatch):
    contrast, parts = deep["image"].contrast, deep["image"].parts
    monkeypatch.setattr(rows_module, "MOST_BY_ROLE", 6 * len(contrast.roles))
    monkeypatch.setattr(rows_module, "MOST_BY_PATCH", 1)
    table = deep["image"].table
    direct = table[table["kind"] == "direct"]
    assert direct["value"].sum() == pytest.approx(parts.margin.mean(), abs=1e-7)
    undivided = direct[direct["role"] == "all keys"]["head"].unique().tolist()
    assert len(undivided) == len(parts.heads) - 2
    size = {h: abs(parts.parts[parts.names.index(h)].mean()) for h in parts.heads}
    divided = [size[head] for head in parts.heads if head not in undivided]
    assert min(divided) >= max(size[head] for head in undivided)
    patches = table[table["kind"] == "direct by patch"]
    assert patches["head"].nunique() == 2  # all heads and the strongest


def test_positions_of_two_roles_count_once(deep):
    """A contrast marks what plays a role in either picture; here only the clean one counts."""
    image = deep["image"]
    wider = {name: torch.ones_like(mask) for name, mask in image.contrast.roles.items()}
    again = replace(image, contrast=with_roles(image.contrast, wider))
    pd.testing.assert_frame_equal(again.table, image.table)
    text = deep["text"]
    doubled = dict(text.contrast.roles, again=text.contrast.roles["first"])
    table = replace(text, contrast=with_roles(text.contrast, doubled)).table
    direct = table[table["kind"] == "direct"]
    assert direct["value"].sum() == pytest.approx(text.parts.margin.mean(), abs=1e-7)
    shared = direct[direct["role"] == "several roles"]["value"].sum()
    plain = text.table
    first = plain[(plain["kind"] == "direct") & (plain["role"] == "first")]["value"].sum()
    assert shared == pytest.approx(first)
    assert (direct[direct["role"] == "again"]["value"] == 0).all()


GROUPS = tuple(f"margin_by_{name}" for name in ("heads", "mlps", "embedding", "biases"))


@pytest.mark.parametrize("tower", TOWERS)
def test_numbers_are_those_of_the_rows_and_remember_their_pictures(every, tower: str):
    case = every[tower]
    measured = margin_metrics(case, margin_rows(case))
    found = {key.removeprefix(f"{tower}_"): number for key, number in measured.items()}
    rows = {(row["kind"], row["part"]): row for row in case.table.to_dict("records")}
    margin, row = found["margin"], rows["margin", "whole"]
    assert (margin.value, margin.low, margin.high) == (row["value"], row["low"], row["high"])
    assert margin.sample is not None
    np.testing.assert_array_equal(margin.sample.top[0], case.parts.margin)
    groups = [number for key, number in found.items() if key in GROUPS]
    assert len(groups) >= 3
    assert sum(float(group.value or 0) for group in groups) == pytest.approx(margin.value, abs=1e-7)
    assert ("margin_without_key_position" in found) == (case.path is not None)
    gap = margin - found["margin_by_heads"]
    assert gap.paired
