"""The pooled rows of a pass of their own against whole streams."""

import torch

from lrinterp.run.pooled import pooled_rows


def test_pooled_rows_are_those_of_whole_streams(made):
    """Captions of several lengths under a causal mask, cut behind the longest of a batch."""
    run = made(2, "full").towers["text"]
    found = pooled_rows(run.tower, run.inputs, lambda batches: batches, 3)
    assert found.shape == (3, len(run), run.tower.cfg.d_model)
    rows = torch.arange(len(run))
    for layer in range(3):
        whole = run.residual(layer)[rows, run.inputs.pool]
        torch.testing.assert_close(found[layer], whole, atol=1e-5, rtol=1e-5)
