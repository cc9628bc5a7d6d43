"""Checkpoints: models on disk, native ones and imported CLIPs.

A native checkpoint is a folder of two files. `model.safetensors` holds the weights; `model.json`
the format version, both tower configurations, encoder preset, world, split, recipe, seed, versions,
scores, history and the sha256 of the weights. It is written last: a folder without it is no
checkpoint.

A CLIP in the format of Hugging Face or open_clip is read as it is published: configuration,
safetensors weights, tokenizer and preprocessing. Nothing is unpickled.
"""

from lrinterp.checkpoint.load import ONCE, Checkpoint, Imported, load_checkpoint, readable
from lrinterp.checkpoint.saved import (
    METADATA,
    WEIGHTS,
    Metadata,
    fill,
    read_metadata,
    save_checkpoint,
    versions,
)

__all__ = [
    "METADATA",
    "ONCE",
    "WEIGHTS",
    "Checkpoint",
    "Imported",
    "Metadata",
    "fill",
    "load_checkpoint",
    "read_metadata",
    "readable",
    "save_checkpoint",
    "versions",
]
