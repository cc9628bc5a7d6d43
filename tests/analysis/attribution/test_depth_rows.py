"""Rows at depth against plain loops: sums of each kind, roles, patches, and a short table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from lrinterp import DualEncoder, Scenes, Split, World, preset, record
from lrinterp.analysis.attribution import depth_rows as attribution_depth_rows
from lrinterp.analysis.attribution.depth_rows import depth_rows
from lrinterp.analysis.attribution.margin_at_depth import AtDepth, attribute_at_depth
from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.stats import LINEAR, mean_interval

pytestmark = pytest.mark.usefixtures("one_thread")

TOWERS = ("image", "text")


@pytest.fixture(scope="module")
def apart() -> dict[str, tuple[Contrast, AtDepth]]:
    split = Split(n_pair=2, n_val=3, positions_per_label=2, layouts_per_pair=2)
    scenes = Scenes(World(n_pixels=4, n_labels=5), split)
    sizes = {"d_model": 12, "n_heads": 2, "d_head": 6, "d_embed": 8, "std_weights": 0.4}
    config = preset("full", **sizes, std_W_E=1.0, image_layers=2, text_layers=3)
    model = DualEncoder.build(config, scenes.sizes, 0)
    found = {}
    for contrast in contrasts(record(model, scenes.examples()), 24, 0):
        occurs = contrast.recording.examples.occurs[contrast.tower]
        tower = model.towers[contrast.tower]
        parts = attribute_at_depth(tower, contrast.inputs[0], occurs, contrast.direction)
        found[contrast.tower] = (contrast, parts)
    return found


def table_of(contrast: Contrast, found: AtDepth) -> pd.DataFrame:
    return pd.DataFrame(list(depth_rows(contrast, found)))


@pytest.mark.parametrize("tower", TOWERS)
def test_rows_of_each_kind_add_up_to_the_mean_margin(apart, tower: str):
    table = table_of(*apart[tower])
    for kind in ("margin", "direct", "direct by part", "direct by group"):
        total = table[table["kind"] == kind]["value"].sum()
        assert total == pytest.approx(apart[tower][1].margin.mean(), abs=1e-7), kind
    assert not table.duplicated(["kind", "head", "role", "part", "pixel"]).any()
    groups = table[table["kind"] == "direct by group"]["part"].tolist()
    assert groups == ["heads", "MLPs", "embedding", "biases"]


@pytest.mark.parametrize("tower", TOWERS)
def test_roles_groups_and_intervals_against_loops(apart, tower: str):
    contrast, found = apart[tower]
    places = ("kind", "head", "role", "part")
    rows = {tuple(row[k] for k in places): row for row in depth_rows(contrast, found)}
    for h, head in enumerate(found.heads):
        for role, mask in contrast.roles.items():
            values = np.array(
                [found.by_key[h, n][mask[n].numpy()].sum() for n in range(len(found.margin))]
            )
            row = rows["direct", head, role, "value"]
            expected = mean_interval(values, contrast.units, scale=LINEAR)
            assert row["n_units"] == 3
            got = (row["value"], row["low"], row["high"])
            assert got == pytest.approx((expected.value, expected.low, expected.high), abs=1e-12)
    mlps = [found.parts[k].mean() for k, name in enumerate(found.names) if name.endswith("mlp")]
    assert len(mlps) == {"image": 2, "text": 3}[tower]
    assert rows["direct by group", "-", "-", "MLPs"]["value"] == pytest.approx(sum(mlps))
    others = [name for name in found.names if name not in found.heads]
    pooled = {"image": "CLS", "text": "EOT"}[tower]
    written = [place[2:] for place in rows if place[:2] == ("direct", "direct path")]
    assert written == [(pooled, name) for name in others]


def test_patches_against_a_loop(apart):
    contrast, found = apart["image"]
    table = table_of(contrast, found)
    part = table[table["kind"] == "direct by patch"]
    means = np.abs([found.parts[found.names.index(head)].mean() for head in found.heads])
    names = [found.heads[k] for k in np.argsort(-means)[:3]]
    assert list(part["head"].unique()) == ["all", *names]
    for row in part.to_dict("records"):
        heads = found.heads if row["head"] == "all" else [row["head"]]
        read = sum(found.by_key[found.heads.index(h), :, int(row["pixel"])] for h in heads)
        assert row["value"] == pytest.approx(np.mean(read))
    assert sorted(set(part["pixel"])) == [1, 2, 3, 4]
    assert "direct by patch" not in set(table_of(*apart["text"])["kind"])


def test_weak_heads_are_not_divided_where_the_table_would_grow(apart, monkeypatch):
    contrast, found = apart["image"]
    monkeypatch.setattr(attribution_depth_rows, "MOST_BY_ROLE", 2 * len(contrast.roles))
    monkeypatch.setattr(attribution_depth_rows, "MOST_BY_PATCH", 1)
    table = table_of(contrast, found)
    direct = table[table["kind"] == "direct"]
    assert direct["value"].sum() == pytest.approx(found.margin.mean(), abs=1e-7)
    undivided = direct[direct["role"] == "all keys"]["head"].tolist()
    assert len(undivided) == len(found.heads) - 2
    size = {h: abs(found.parts[found.names.index(h)].mean()) for h in found.heads}
    divided = [size[head] for head in found.heads if head not in undivided]
    assert min(divided) >= max(size[head] for head in undivided)
    patches = table[table["kind"] == "direct by patch"]
    assert patches["head"].nunique() == 2  # all heads and the strongest


def test_positions_of_two_roles_count_once(apart):
    """A contrast marks what plays a role in either picture; here only the clean one counts."""
    contrast, found = apart["image"]
    wider = {name: torch.ones_like(mask) for name, mask in contrast.roles.items()}
    own = table_of(replace(contrast, roles=wider), found)
    pd.testing.assert_frame_equal(own, table_of(contrast, found))
    text, parts = apart["text"]
    doubled = replace(text, roles=dict(text.roles, again=text.roles["first"]))
    table = table_of(doubled, parts)
    direct = table[table["kind"] == "direct"]
    assert direct["value"].sum() == pytest.approx(parts.margin.mean(), abs=1e-7)
    shared = direct[direct["role"] == "several roles"]["value"].sum()
    plain = table_of(text, parts)
    first = plain[(plain["kind"] == "direct") & (plain["role"] == "first")]["value"].sum()
    assert shared == pytest.approx(first)
    assert (direct[direct["role"] == "again"]["value"] == 0).all()
