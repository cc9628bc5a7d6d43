"""What a pass leaves, against TransformerLens's own cache."""

import pytest
import torch

from lrinterp.run.passes import last_name, resid_pre


def test_a_pass_leaves_every_stream_and_the_embeddings(made):
    run = made(2, "full").towers["image"]
    left = run.run_pass()
    logits, cache = run.tower.run_with_cache(run.inputs.values)
    names = {resid_pre(0), resid_pre(1), last_name(run.tower), "embedding"}
    assert set(left) == names
    for name in names - {"embedding"}:
        torch.testing.assert_close(left[name], cache[name], atol=1e-5, rtol=1e-5)
    pooled = logits[torch.arange(len(run)), run.inputs.pool]
    unit = pooled / pooled.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(left["embedding"], unit, atol=1e-5, rtol=1e-5)


def test_pooled_rows_are_those_of_whole_streams(made, monkeypatch: pytest.MonkeyPatch):
    """Captions of several lengths under a causal mask, cut behind the longest of a batch."""
    run = made(2, "full").towers["text"]
    monkeypatch.setattr("lrinterp.run.tower.TowerRun.batch_size", 3)
    found = run.pooled_streams
    assert found.shape == (3, len(run), run.tower.cfg.d_model)
    rows = torch.arange(len(run))
    for layer in range(3):
        whole = run.residual(layer)[rows, run.inputs.pool]
        torch.testing.assert_close(found[layer], whole, atol=1e-5, rtol=1e-5)
