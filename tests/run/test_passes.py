"""What a pass leaves, against TransformerLens's own cache."""

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
