"""What a pass leaves, against TransformerLens's own cache; what is known of some inputs."""

import numpy as np
import pytest
import torch

from lrinterp.run import Places
from lrinterp.run.passes import as_slice, last_name, resid_pre


def test_a_pass_leaves_every_stream_and_the_embeddings(made):
    run = made(2, "full").towers["image"]
    left = run.run_pass()
    logits, cache = run.tower.run_with_cache(run.inputs.values)
    names = {resid_pre(0), resid_pre(1), last_name(run.tower)}
    assert set(left) == {*names, "embedding"}
    for name in names:
        torch.testing.assert_close(left[name], cache[name], atol=1e-5, rtol=1e-5)
    pooled = logits[torch.arange(len(run)), run.inputs.pool]
    unit = pooled / pooled.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(left["embedding"], unit, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("index", [slice(1, 3), torch.tensor([1, 2])])
def test_some_inputs_keep_their_own_clusters_and_roles(index):
    mask = torch.tensor([[True, False], [False, True], [True, True], [False, False]])
    occurs, clusters = torch.ones(2, 2, dtype=torch.bool), np.array([5, 6, 7, 8])
    some = Places(occurs=occurs, clusters=clusters, roles={"left": mask}, grid=(1, 2)).at(index)
    assert some.clusters is not None
    assert some.clusters.tolist() == [6, 7]
    assert some.roles["left"].tolist() == [[False, True], [True, True]]
    assert some.occurs is occurs
    assert some.grid == (1, 2)
    none = Places().at(index)
    assert (none.clusters, none.roles, none.occurs, none.grid) == (None, {}, None, None)


def test_inputs_that_follow_one_another_are_a_slice():
    assert as_slice(torch.tensor([2, 3, 4]), 5) == slice(2, 5)
    for index in ([2, 4, 5], [4, 3], [0, 0], [-2, -1], [3, 4, 5], []):
        chosen = torch.tensor(index, dtype=torch.long)
        assert as_slice(chosen, 5) is chosen
