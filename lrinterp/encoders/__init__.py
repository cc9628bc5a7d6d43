"""Models: configurations, presets and the dual encoder of two towers, hooked transformers."""

from lrinterp.encoders.clip import ACTIVATIONS, ClipSpec, PatchTower, TowerSpec, build_clip
from lrinterp.encoders.config import (
    PRESETS,
    EncoderConfig,
    essentials,
    preset,
    tower_config,
    tower_from_plain,
    tower_plain,
)
from lrinterp.encoders.dual import (
    DualEncoder,
    Tower,
    batch_that_fits,
    build_tower,
    initialise,
    positions,
)
from lrinterp.encoders.processor import Fit, Preprocessing, Processor
from lrinterp.encoders.stacked import Stack
from lrinterp.encoders.token_tables import has_tables
from lrinterp.encoders.weight_layouts import HUGGING_FACE, OPEN_CLIP, Layout, arranged

__all__ = [
    "ACTIVATIONS",
    "HUGGING_FACE",
    "OPEN_CLIP",
    "PRESETS",
    "ClipSpec",
    "DualEncoder",
    "EncoderConfig",
    "Fit",
    "Layout",
    "PatchTower",
    "Preprocessing",
    "Processor",
    "Stack",
    "Tower",
    "TowerSpec",
    "arranged",
    "batch_that_fits",
    "build_clip",
    "build_tower",
    "essentials",
    "has_tables",
    "initialise",
    "positions",
    "preset",
    "tower_config",
    "tower_from_plain",
    "tower_plain",
]
