"""Worlds of pictures and captions: what exists, what training shows, what is held out."""

from lrinterp.scenes.examples import Examples
from lrinterp.scenes.scenes import Scenes
from lrinterp.scenes.splits import LARGEST_SEED, PAPER, SETS, Split
from lrinterp.scenes.world import CaptionSet, World, all_captions, draw_pictures, line_layouts

__all__ = [
    "LARGEST_SEED",
    "PAPER",
    "SETS",
    "CaptionSet",
    "Examples",
    "Scenes",
    "Split",
    "World",
    "all_captions",
    "draw_pictures",
    "line_layouts",
]
