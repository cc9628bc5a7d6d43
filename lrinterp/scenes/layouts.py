"""Layouts of a line: where objects may stand, and the picture tokens that result."""

from itertools import combinations

import numpy as np
import torch
from jaxtyping import Int

from lrinterp.axes import Tokens
from lrinterp.scenes.world import BACKGROUND, World

__all__ = ["draw_pictures", "line_layouts"]


def line_layouts(n_pixels: int, n_objects: int) -> Int[np.ndarray, "layout object"]:
    """All ways to place some objects on a line: increasing pixels, in lexicographic order."""
    return np.array(list(combinations(range(n_pixels), n_objects))).reshape(-1, n_objects)


def draw_pictures(
    world: World,
    labels: Int[np.ndarray, "image object"],
    pixels: Int[np.ndarray, "image object"],
) -> Tokens:
    """Picture tokens: CLS, then one token a pixel; pooled at CLS. Labels of -1 draw nothing."""
    ids = np.full((len(labels), world.n_pixels + 1), BACKGROUND)
    ids[:, 0] = world.n_labels + 1
    row, column = np.nonzero(labels >= 0)
    ids[row, pixels[row, column] + 1] = labels[row, column] + 1
    return Tokens(torch.from_numpy(ids), torch.zeros(len(labels), dtype=torch.long))
