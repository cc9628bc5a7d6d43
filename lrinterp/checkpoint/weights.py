"""The weights of a published checkpoint, from one safetensors file or several; never a pickle."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lrinterp.store import InputError, read_json, sha256, shortened

__all__ = ["has_weights", "read_tensors"]

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def has_weights(folder: Path, name: str) -> bool:
    """Does a folder hold safetensors weights of this name, whole or in parts?"""
    return any((folder / file).is_file() for file in (name, f"{name}.index.json"))


def read_tensors(folder: Path, name: str) -> tuple[dict[str, Tensor], str]:
    """All tensors by key, and the hash of the files.

    One file's is its sha256, that of several the sha256 of their hashes, one a line.
    """
    files = files_of(folder, name)
    tensors: dict[str, Tensor] = {}
    for path in files:
        tensors |= read_file(path)
    digests = [digest(path) for path in files]
    return tensors, digests[0] if len(files) == 1 else sha256("\n".join(digests).encode())


def files_of(folder: Path, name: str) -> Sequence[Path]:
    """The file of this name, or those that its index lists."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        raise InputError(lacking(folder, name))
    plain = read_json(index)
    parts = plain.get("weight_map") if isinstance(plain, dict) else None
    if not isinstance(parts, dict) or not parts:
        raise InputError(f"{index}: expected a weight_map of keys to files")
    files = sorted({str(part) for part in parts.values()})
    for part in files:
        if Path(part).name != part or not (folder / part).is_file():
            raise InputError(f"{index}: its part {shortened(part)} is missing beside it")
    return [folder / part for part in files]


def lacking(folder: Path, name: str) -> str:
    """What to do in a folder without safetensors weights."""
    pickles = sorted(path.name for kind in PICKLES for path in folder.glob(kind))
    if not pickles:
        return f"{folder}: has no {name}; expected the weights beside the configuration"
    old, new = (folder / pickles[0]).as_posix(), (folder / name).as_posix()
    return (
        f"{folder}: {pickles[0]} is a pickle, which can run code and is not read; if you trust it, "
        'convert it once: python -c "import torch, safetensors.torch as s; '
        f"s.save_file({{k: v.clone() for k, v in torch.load('{old}', weights_only=True).items()}}, "
        f"'{new}')\""
    )


def read_file(path: Path) -> dict[str, Tensor]:
    """The tensors of one file."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({error}); fetch it again") from error


def digest(path: Path) -> str:
    """The sha256 of a file, without holding it in memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
