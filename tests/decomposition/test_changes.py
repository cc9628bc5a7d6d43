"""Each kind of change against a plain loop over rows, keys and groups."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lrinterp.decomposition import CHANGES, Groups, groups_of, row_change
from lrinterp.run import record

# Keys 0 and 5 stand alone, 1 to 3 belong together, so do 4, 6 and 7; example 1 ends at key 6.
OF_KEY = torch.tensor([9, 2, 2, 2, 4, 0, 4, 4])
GRID = (2, 3)
"""Patches behind the first key."""


@pytest.fixture
def rows() -> torch.Tensor:
    """[batch, head, query, key]: random numbers."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 1, 8, generator=generator, dtype=torch.float64)


@pytest.fixture
def groups() -> Groups:
    seen = torch.ones(2, 1, 8, dtype=torch.bool)
    seen[1, 0, 7] = False
    return Groups(OF_KEY[None], seen)


@pytest.fixture
def pictures() -> tuple[torch.Tensor, Groups]:
    """Rows over a first key and 2 x 3 patches, all seen."""
    generator = torch.Generator().manual_seed(1)
    found = torch.randn(2, 3, 4, 7, generator=generator, dtype=torch.float64)
    of_key = torch.tensor([[0, 1, 1, 1, 1, 1, 1]])
    return found, Groups(of_key, torch.ones(2, 4, 7, dtype=torch.bool), GRID)


def by_row(function: Callable[[np.ndarray, list[list[int]]], np.ndarray], rows, groups: Groups):
    """Apply a plain function to every row, with the seen keys of each group as lists."""
    out = np.zeros(rows.shape)
    for batch, head, query in np.ndindex(*rows.shape[:3]):
        seen = groups.seen[batch, query].tolist()
        of_key = groups.of_key.expand(len(rows), -1)[batch].tolist()
        members = [
            [key for key, of in enumerate(of_key) if of == group and seen[key]]
            for group in set(of_key)
        ]
        out[batch, head, query] = function(rows[batch, head, query].numpy(), members)
    return out


def flattened(row: np.ndarray, members: list[list[int]]) -> np.ndarray:
    """What flattening adds to a row: on each key the mean of its group minus its own value."""
    change = np.zeros(len(row))
    for keys in members:
        for key in keys:
            change[key] = sum(row[k] for k in keys) / len(keys) - row[key]
    return change


def test_flatten_against_a_loop(rows, groups):
    delta = row_change("flatten", rows, groups)
    np.testing.assert_allclose(delta.numpy(), by_row(flattened, rows, groups), atol=1e-12)
    assert not delta[..., [0, 5]].any()  # a key alone keeps its own
    assert not delta[1, :, :, 7].any()  # an unseen one is not touched
    assert delta[0, :, :, 7].all()
    torch.testing.assert_close(row_change("flatten", rows + delta, groups), 0 * rows)


def test_groups_taken_apart_are_averaged_apart(rows, groups):
    mask = torch.tensor([[0, 1, 0, 1, 1, 0, 1, 0], [1, 0, 0, 1, 0, 1, 1, 1]], dtype=torch.bool)
    delta = row_change("flatten", rows, groups.apart(mask))
    expected = by_row(flattened, rows, groups.apart(mask))
    np.testing.assert_allclose(delta.numpy(), expected, atol=1e-12)
    assert not delta[0, :, :, 2].any()  # alone among the keys outside the mask
    assert delta[0, :, :, 1].all()


def test_permute_moves_every_value_inside_its_group(rows, groups):
    for seed in range(5):
        moved = rows + row_change("permute", rows, groups, seed)
        for old, new in zip(rows.reshape(-1, 8), moved.reshape(-1, 8), strict=True):
            came_from = [int((old - value).abs().argmin()) for value in new]
            assert sorted(came_from) == list(range(8))
            assert all(OF_KEY[key] == OF_KEY[origin] for key, origin in enumerate(came_from))
            stayed = [key for key, origin in enumerate(came_from) if key == origin]
            assert stayed == [0, 5]


@pytest.mark.parametrize("seed", range(3))
def test_a_placebo_is_orthogonal_and_of_the_same_size(rows, groups, seed: int):
    delta = row_change("placebo", rows, groups, seed)
    centred = -by_row(flattened, rows, groups)
    np.testing.assert_allclose((delta.numpy() * centred).sum(-1), 0, atol=1e-12)
    sizes = [np.linalg.norm(x, axis=-1) for x in (delta.numpy(), centred)]
    np.testing.assert_allclose(sizes[0], sizes[1])
    # It lives where the part lives: it sums to nothing inside each group and spares lone keys.
    torch.testing.assert_close(groups.means(delta), torch.zeros_like(delta))
    assert not delta[..., [0, 5]].any()
    assert not delta[1, :, :, 7].any()


def test_a_placebo_on_three_patches_by_hand():
    """Orthogonal to (-2, 0, 2) and to constants is only +-(1, -2, 1), here of length sqrt(8)."""
    rows = torch.tensor([5.0, 1, 3, 5]).expand(1, 1, 1, 4)
    groups = Groups(torch.tensor([[0, 1, 1, 1]]), torch.ones(1, 1, 4, dtype=torch.bool))
    delta = row_change("placebo", rows, groups)[0, 0, 0]
    expected = torch.tensor([0, 1, -2, 1]) * np.sqrt(8 / 6)
    torch.testing.assert_close(delta * delta[1].sign(), expected.float())


@pytest.mark.parametrize("kind", ["permute", "placebo"])
def test_what_is_drawn_follows_its_seed_alone(rows, groups, kind):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    deltas = [row_change(kind, rows, groups, seed) for seed in (0, 0, 1, 2, 3)]
    assert torch.equal(deltas[0], deltas[1])
    assert any((deltas[0] - other).abs().max() > 0.1 for other in deltas[2:])
    assert torch.equal(torch.get_rng_state(), state)


def patches(rows: torch.Tensor) -> np.ndarray:
    """The patches of every row as [row, height, width]."""
    return rows[..., 1:].reshape(-1, *GRID).numpy()


def planes(rows: torch.Tensor) -> np.ndarray:
    """The least-squares plane of every row, by numpy."""
    y, x = np.mgrid[: GRID[0], : GRID[1]]
    design = np.stack([np.ones(6), x.ravel(), y.ravel()], 1)
    flat = rows[..., 1:].reshape(-1, 6).numpy()
    fit = np.linalg.lstsq(design, flat.T, rcond=None)[0]
    return (design @ fit).T.reshape(-1, *GRID)


def test_reversed_patches_are_mirrored_left_for_right(pictures):
    rows, groups = pictures
    turned = rows + row_change("reverse", rows, groups)
    np.testing.assert_allclose(patches(turned), patches(rows)[:, :, ::-1])
    assert torch.equal(turned[..., 0], rows[..., 0])
    torch.testing.assert_close(turned + row_change("reverse", turned, groups), rows)


def test_linear_leaves_the_plane_and_residual_the_rest(pictures):
    """Both together are what flattening takes; of a plane nothing is left."""
    rows, groups = pictures
    plane, mean = planes(rows), patches(rows).mean((1, 2), keepdims=True)
    linear = rows + row_change("linear", rows, groups)
    residual = rows + row_change("residual", rows, groups)
    np.testing.assert_allclose(patches(linear), plane, atol=1e-12)
    np.testing.assert_allclose(patches(residual), patches(rows) - plane + mean, atol=1e-12)
    torch.testing.assert_close(linear + residual - 2 * rows, row_change("flatten", rows, groups))
    assert row_change("linear", linear, groups).abs().max() < 1e-12
    for kept in (linear, residual):
        assert torch.equal(kept[..., 0], rows[..., 0])
        assert (kept - rows).abs().max() > 0.1


def test_a_rescaled_residual_has_the_size_of_the_whole(pictures):
    rows, groups = pictures
    rest = patches(rows) - planes(rows)
    found = patches(rows + row_change("residual_rescaled", rows, groups))
    centred = [x - x.mean((1, 2), keepdims=True) for x in (found, patches(rows))]
    sizes = [np.linalg.norm(x.reshape(len(x), -1), axis=1) for x in (*centred, rest)]
    np.testing.assert_allclose(sizes[0], sizes[1])
    factor = (sizes[1] / sizes[2])[:, None, None]
    np.testing.assert_allclose(centred[0], rest * factor, atol=1e-12)
    assert (factor > 1.01).any()


@pytest.mark.parametrize("kind", ["reverse", "linear", "residual", "residual_rescaled"])
def test_keys_that_are_no_patches_have_no_mirror_and_no_line(rows, groups, kind):
    with pytest.raises(ValueError, match=f"how: {kind} needs keys that are patches of a picture"):
        row_change(kind, rows, groups)


@pytest.mark.parametrize("kind", CHANGES)
def test_nothing_is_modified_and_nothing_undefined(pictures, kind):
    """Also where a row is flat."""
    rows, groups = pictures
    before = rows.clone()
    assert row_change(kind, rows, groups).abs().max() > 0.1
    assert torch.equal(rows, before)
    flat = row_change(kind, torch.ones_like(rows), groups)
    torch.testing.assert_close(flat, -torch.ones_like(rows) if kind == "zero" else 0 * rows)


def test_padding_is_seen_by_no_pooled_row(micro, micro_examples):
    run = record(micro, micro_examples, progress=False)
    text, image = (run.towers[name] for name in ("text", "image"))
    pooled, square = (groups_of(text.streams, pooled=pooled).seen for pooled in (True, False))
    for row, rows, pool in zip(pooled, square, text.inputs.pool.tolist(), strict=True):
        assert row.tolist() == [[key <= pool for key in range(9)]]
        expected = [[key <= min(query, pool) for key in range(9)] for query in range(9)]
        assert rows.tolist() == expected
    pictures = groups_of(image.streams, grid=(1, 3))
    assert pictures.seen.all()
    assert pictures.patches("reverse") == (1, 3)
    assert pictures.of_key.shape == (1, 4)
