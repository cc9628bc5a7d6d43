"""Encoders: configurations, presets and the dual encoder of two hooked transformers."""

from lrinterp.encoders.config import (
    PRESETS,
    EncoderConfig,
    preset,
    tower_config,
    tower_from_plain,
    tower_plain,
)
from lrinterp.encoders.dual import DualEncoder, Tower, build_tower, initialise
from lrinterp.encoders.stacked import Stack

__all__ = [
    "PRESETS",
    "DualEncoder",
    "EncoderConfig",
    "Stack",
    "Tower",
    "build_tower",
    "initialise",
    "preset",
    "tower_config",
    "tower_from_plain",
    "tower_plain",
]
