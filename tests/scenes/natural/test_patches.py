"""Patches under boxes, by hand on a grid of two rows and four columns."""

import torch

from lrinterp.scenes.natural.patches import box_in_square, patch_at, patch_roles, under

GRID = (2, 4)


def test_a_box_covers_the_patches_that_it_touches():
    assert under((0.0, 0.0, 0.25, 0.5), GRID).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]
    assert under((0.2, 0.4, 0.3, 0.6), GRID).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    assert under((0.0, 0.0, 1.0, 1.0), GRID).all()


def test_the_patch_under_the_middle():
    assert patch_at((0.0, 0.0, 0.2, 0.2), GRID) == 0
    assert patch_at((0.8, 0.6, 1.0, 1.0), GRID) == 7
    assert patch_at((1.0, 1.0, 1.0, 1.0), GRID) == 7


def test_a_wide_picture_stands_in_the_middle_of_its_square():
    assert box_in_square((0.0, 0.0, 1.0, 1.0), (200, 100)) == (0.0, 0.25, 1.0, 0.75)
    assert box_in_square((0.5, 0.0, 1.0, 1.0), (100, 200)) == (0.5, 0.0, 0.75, 1.0)
    assert box_in_square((0.1, 0.2, 0.3, 0.4), (50, 50)) == (0.1, 0.2, 0.3, 0.4)


def test_roles_divide_all_positions():
    boxes = [((0.0, 0.0, 0.2, 0.4), (0.8, 0.6, 0.9, 0.9))]
    roles = patch_roles(boxes, 1, GRID)
    assert {k: v[0].nonzero().flatten().tolist() for k, v in roles.items()} == {
        "CLS": [0],
        "left": [1],
        "right": [8],
        "background": [2, 3, 4, 5, 6, 7],
    }
    assert torch.stack([*roles.values()]).sum(0).eq(1).all()


def test_without_boxes_the_roles_are_halves():
    even = patch_roles(None, 2, GRID)
    assert even["left half"][1].nonzero().flatten().tolist() == [1, 2, 5, 6]
    assert even["right half"][0].nonzero().flatten().tolist() == [3, 4, 7, 8]
    assert set(even) == {"CLS", "left half", "right half"}
    odd = patch_roles(None, 1, (1, 3))
    assert odd["middle"][0].nonzero().flatten().tolist() == [2]
