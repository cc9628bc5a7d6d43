"""Fetching a published CLIP by its name on the Hugging Face hub."""

import re
from pathlib import Path

from lrinterp.store import InputError

__all__ = ["fetch", "is_hub_name"]

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
FILES = ["*.json", "*.txt", "*.safetensors"]
"""Configurations, tokenizer and weights; pickled weights are not even fetched."""


def is_hub_name(name: str | Path) -> bool:
    """Could this be a name on the hub, `organisation/model`, and no path that is there?"""
    text = name if isinstance(name, str) else name.as_posix()
    return bool(NAME.fullmatch(text)) and not Path(name).exists()


def fetch(name: str) -> Path:
    """The folder with a model's files, from the local cache or the hub.

    Raises InputError where there is neither such a folder nor such a model within reach.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=FILES))
    except Exception as error:  # offline, not found, gated, no space: each library has its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{name}: no such folder, and not to be had from the Hugging Face hub ({reason[:160]})"
        ) from error
