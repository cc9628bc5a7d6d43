"""Results of tasks under a seal: which model they are of, and a hash of what they say.

A result that was altered, or lies in the place of another model's, is refused when it is read.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lrinterp.checkpoint import read_metadata
from lrinterp.store import InputError, read_json, sha256

__all__ = ["opened", "sealed"]


def sealed(function: Callable[[Mapping[str, Any]], Any], payload: Mapping[str, Any]) -> Any:
    """What a task function returns for a payload, with its seal."""
    whole = {"of": identity(payload), "found": function(payload)}
    return {**whole, "sha256": digest(whole)}


def opened(path: Path, payload: Mapping[str, Any]) -> Any:
    """What a file of `sealed` holds; InputError where it is not of this payload, or was altered."""
    remedy = "remove it and add --resume"
    try:
        whole = read_json(path)
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from error
    if not isinstance(whole, dict) or set(whole) != {"of", "found", "sha256"}:
        raise InputError(f"{path}: holds no result; {remedy}")
    if whole["of"] != identity(payload):
        raise InputError(f"{path}: is of another model; {remedy}")
    if whole.pop("sha256") != digest(whole):
        raise InputError(f"{path}: was altered; {remedy}")
    return whole["found"]


def identity(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Arm and seed of a payload, and the hash of the weights of its checkpoint, if it has one."""
    folder = payload.get("checkpoint") or payload.get("run")
    weights = read_metadata(Path(folder)).sha256 if folder else None
    return {"arm": payload["arm"], "seed": payload["seed"], "weights": weights}


def digest(whole: Mapping[str, Any]) -> str:
    """A hash of plain data, the same when it was written and read again."""
    return sha256(json.dumps(whole, sort_keys=True, allow_nan=False).encode())
