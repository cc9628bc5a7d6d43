"""What the text tower makes of a grid, layer by layer."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lrinterp.analysis.geometry.caption_grid import CaptionGrid, recorded_grid
from lrinterp.analysis.geometry.rows import (
    EMBEDDING,
    RESIDUAL,
    at_site,
    geometry,
    null_of,
    pooled_streams,
)
from lrinterp.encoders import DualEncoder, preset
from lrinterp.run import TowerRun
from lrinterp.scenes import Scenes, Split, World


@pytest.fixture(scope="module")
def grid() -> CaptionGrid:
    split = Split(n_pair=3, n_val=2, positions_per_label=2, layouts_per_pair=1)
    world = World(n_pixels=3, n_labels=6, template="both")
    return recorded_grid(Scenes(world, split).examples(), 0)[0]


@pytest.fixture(scope="module")
def model() -> DualEncoder:
    """Two layers with norms and MLPs, as they are drawn."""
    return DualEncoder.build(
        preset("full", text_layers=2), {"image": (8, 4), "text": (18, 9)}, 0
    ).double()


def text_run(model: DualEncoder, grid: CaptionGrid) -> TowerRun:
    return TowerRun(model, "text", grid.tokens, progress=False)


def test_the_last_embedding_is_the_models_own(model: DualEncoder, grid: CaptionGrid):
    streams = pooled_streams(text_run(model, grid))
    last = at_site(model, streams[-1], EMBEDDING)
    np.testing.assert_allclose(last, model.embed_all("text", grid.tokens).numpy(), atol=1e-12)


def test_each_stream_is_what_the_layer_leaves(model: DualEncoder, grid: CaptionGrid):
    streams = pooled_streams(text_run(model, grid))
    _, cache = model.text.run_with_cache(grid.tokens.ids)
    rows = torch.arange(len(grid.tokens))
    for layer in range(2):
        there = cache[f"blocks.{layer}.hook_resid_post"][rows, grid.tokens.pool]
        torch.testing.assert_close(streams[layer], there)
        np.testing.assert_array_equal(at_site(model, streams[layer], RESIDUAL), streams[layer])
        lens = F.normalize(model.text.unembed(model.text.ln_final(there)), dim=-1).detach()
        np.testing.assert_allclose(at_site(model, streams[layer], EMBEDDING), lens, atol=1e-12)


def test_rows_by_layer_site_and_relation(model: DualEncoder, grid: CaptionGrid):
    table, samples = geometry(text_run(model, grid), grid, 0)
    assert set(zip(table["layer"], table["site"], strict=True)) == {
        (layer, site) for layer in (0, 1) for site in (EMBEDDING, RESIDUAL)
    }
    last = table[(table["layer"] == 1) & (table["site"] == EMBEDDING)].set_index("measure")
    made = {name.removeprefix("left_right/"): one.value for name, one in samples.items()}
    assert made == pytest.approx(last["value"].dropna().to_dict())
    assert {len(one.bottom) for one in samples.values()} == {len(grid.pairs)}
    assert last["p"].notna().sum() == last["null_95"].notna().sum() == 3
    again, _ = geometry(text_run(model, grid), grid, 0)
    assert again.equals(table)


def test_p_counts_how_often_shuffled_words_do_as_well():
    null = np.linspace(0.0, 1.0, 101)
    found = null_of(null, 0.95)
    assert found["p"] == pytest.approx(7 / 102)  # 0.95 ... 1.00, and the data
    assert found["null_95"] == pytest.approx(0.95)
    assert found["null_mean"] == pytest.approx(0.5)
    assert np.isnan(list(null_of(None, 0.5).values())).all()


def test_draws_that_are_the_value_itself_count_whatever_the_last_digit():
    """Exchanging all pairs or none gives the value back, up to rounding."""
    value = 0.7
    null = np.array([value - 1e-16, value + 1e-16, 0.1, -0.2])
    assert null_of(null, value)["p"] == 3 / 5
    assert null_of(null - 0.1, value)["p"] == 1 / 5
