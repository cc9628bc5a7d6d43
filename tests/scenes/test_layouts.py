from math import comb

import numpy as np
import pytest

from lrinterp.scenes import World, draw_pictures, line_layouts


def test_layouts_by_hand():
    assert line_layouts(4, 2).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert line_layouts(3, 1).tolist() == [[0], [1], [2]]
    assert line_layouts(3, 3).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(("n_pixels", "n_objects"), [(10, 2), (4, 3), (6, 4)])
def test_every_layout_once_from_left_to_right(n_pixels: int, n_objects: int):
    layouts = line_layouts(n_pixels, n_objects)
    assert layouts.shape == (comb(n_pixels, n_objects), n_objects)
    assert len({tuple(row) for row in layouts.tolist()}) == len(layouts)
    assert (np.diff(layouts, axis=1) > 0).all()
    assert layouts.min() == 0
    assert layouts.max() == n_pixels - 1


def test_pictures_by_hand():
    world = World(n_pixels=4, n_labels=3, n_objects=3)
    labels = np.array([[2, 0, 1], [1, -1, -1], [-1, -1, -1]])
    pixels = np.array([[0, 1, 3], [2, -1, -1], [-1, -1, -1]])
    picture = draw_pictures(world, labels, pixels)
    assert picture.ids.tolist() == [[4, 3, 1, 0, 2], [4, 0, 0, 2, 0], [4, 0, 0, 0, 0]]
    assert picture.pool.tolist() == [0, 0, 0]


def test_drawing_changes_neither_labels_nor_pixels():
    labels, pixels = np.array([[0, 1]]), np.array([[1, 2]])
    draw_pictures(World(n_pixels=3, n_labels=2), labels, pixels)
    assert labels.tolist() == [[0, 1]]
    assert pixels.tolist() == [[1, 2]]


def test_no_pictures():
    none = np.zeros((0, 2), dtype=int)
    assert draw_pictures(World(n_pixels=3, n_labels=2), none, none).ids.shape == (0, 4)
