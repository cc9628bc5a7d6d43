"""What is known of positions, of some inputs."""

import numpy as np
import pytest
import torch

from lrinterp.run import Places
from lrinterp.run.places import as_slice


@pytest.mark.parametrize("index", [slice(1, 3), torch.tensor([1, 2])])
def test_some_inputs_keep_their_own_clusters_and_roles(index):
    mask = torch.tensor([[True, False], [False, True], [True, True], [False, False]])
    occurs = torch.ones(2, 2, dtype=torch.bool)
    whole = Places(
        occurs=occurs, clusters=np.array([5, 6, 7, 8]), roles={"left": mask}, grid=(1, 2)
    )
    some = whole.at(index)
    assert some.clusters is not None
    assert some.clusters.tolist() == [6, 7]
    assert some.roles["left"].tolist() == [[False, True], [True, True]]
    assert some.occurs is occurs
    assert some.grid == (1, 2)


def test_nothing_known_stays_nothing():
    some = Places().at(torch.tensor([0]))
    assert (some.clusters, some.roles, some.occurs, some.grid) == (None, {}, None, None)


def test_inputs_that_follow_one_another_are_a_slice():
    assert as_slice(torch.tensor([2, 3, 4]), 5) == slice(2, 5)
    for index in ([2, 4, 5], [4, 3], [0, 0], [-2, -1], [3, 4, 5], []):
        chosen = torch.tensor(index, dtype=torch.long)
        assert as_slice(chosen, 5) is chosen
    assert as_slice(slice(3), 5) == slice(3)
