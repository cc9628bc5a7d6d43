"""Plain data on disk: strict JSON and TOML, atomic writes, and dataclasses of what was read.

Nothing pickles. A reader says which key is unknown, missing or of a wrong type.
"""

import dataclasses
import hashlib
import json
import math
import os
import tempfile
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

__all__ = [
    "InputError",
    "check_writable",
    "from_plain",
    "one_of",
    "parse_json",
    "read_json",
    "read_toml",
    "sha256",
    "shortened",
    "taken",
    "to_plain",
    "within",
    "write_atomically",
    "write_json",
]

T = TypeVar("T")


class InputError(ValueError):
    """A file, setting or name that is not what it should be; one line, written for the user."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that at every moment either the old or the new one is there, whole.

    A link stays one: what it points to is written. An OSError names the file that was asked for.
    """
    target = Path(os.path.realpath(path))
    with naming(path):
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an OSError the name of the file that was asked for, not of the temporary one."""
    try:
        yield
    except OSError as error:
        if error.errno:
            error.filename = str(path)
        raise


def check_writable(path: Path) -> None:
    """Refuse, leaving nothing behind, where a file of this name could not be written.

    Raises InputError for a folder, a device or pipe, or a missing folder above; OSError, naming
    the path, for what the file system refuses.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        what = "a folder" if target.is_dir() else "no regular file"
        raise InputError(f"{path}: is {what}; expected the name of a file to write")
    if not target.parent.is_dir():
        raise InputError(f"{path}: there is no folder {target.parent}; create it first")
    with naming(path):
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=target.parent)
    os.close(handle)
    Path(name).unlink()


def write_json(path: Path, data: Any) -> None:
    """Write strict JSON (no NaN), readable, atomically."""
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False)
    write_atomically(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a strict JSON file; a damaged one is an `InputError` that names it."""
    with refusing(path, "JSON"):
        return parse_json(Path(path).read_bytes())


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a damaged one is an `InputError` that names it."""
    with refusing(path, "TOML"):
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))


def parse_json(text: bytes | str) -> Any:
    """Strict JSON: ValueError for NaN, infinities, and text that is no Unicode."""
    data = json.loads(text, parse_constant=no_constant)
    json.dumps(data, ensure_ascii=False, allow_nan=False).encode()  # refuses 1e999, half a pair
    return data


def no_constant(name: str) -> None:
    """Refuse the constants that strict JSON does not have."""
    raise ValueError(f"{name} is not a number")


@contextmanager
def refusing(path: Path, language: str) -> Iterator[None]:
    """Turn what a parser raises on bad text into an `InputError`."""
    try:
        yield
    except (RecursionError, ValueError) as error:
        why = error if isinstance(error, ValueError) else "nested too deeply"
        raise InputError(f"{path}: not valid {language} ({why})") from error


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def to_plain(value: Any) -> Any:
    """A flat dataclass as plain JSON data: dataclasses to dicts, tuples to lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return value


def from_plain(cls: type[T], data: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from plain data; `where` names the source in errors.

    Raises `InputError` for an unknown field, a missing one, a wrong type, or a value that the
    class itself refuses.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls, include_extras=True)
    if unknown := sorted(set(data) - set(fields)):
        raise InputError(f"{where}: unknown field {unknown[0]!r}; expected {', '.join(fields)}")
    for name, own in sorted(fields.items()):
        if name not in data and own.default is own.default_factory is dataclasses.MISSING:
            raise InputError(f"{where}: field {name!r} is missing")
    values = {name: taken(value, hints[name], f"{where}.{name}") for name, value in data.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise InputError(f"{where}.{error}") from error


def taken(value: Any, kind: Any, where: str, *, strict: bool = True) -> Any:
    """A plain value as a type has it: lists as tuples, dicts as dataclasses, 1 as 1.0.

    Nothing else is converted, but text to numbers where `strict` is false. Raises `InputError`:
    `where`, the type, or the description that it carries (`msgspec.Meta`), and the value.
    """
    if isinstance(value, dict):
        value = nested(value, kind, where)
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: expected {hint_words(kind)}, got {shortened(value)}") from error


def nested(value: dict[Any, Any], kind: Any, where: str) -> Any:
    """The dataclass, or the mapping to some, that a dict stands for; errors say where in it."""
    for option in typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,):
        if dataclasses.is_dataclass(option):
            return from_plain(option, value, where)  # type: ignore[arg-type]
        inner = typing.get_args(option)[1:]
        if inner and dataclasses.is_dataclass(inner[0]):
            return {key: taken(item, inner[0], f"{where}.{key}") for key, item in value.items()}
    return value


def hint_words(hint: Any) -> str:
    """A type as a user would say it: `int`, `int | None`, or the words that are allowed."""
    if meta := getattr(hint, "__metadata__", None):
        return meta[0].description
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    plain = isinstance(hint, type) and not typing.get_args(hint)
    return hint.__name__ if plain else str(hint).replace("typing.", "")


def within(own: Any, low: int | float, high: int | float, *names: str) -> None:
    """Refuse a field of a dataclass that lies outside a range, or is not a number."""
    known = f"at least {low}" if high == math.inf else f"{low} to {high}"
    for name in names:
        if not low <= (value := getattr(own, name)) <= high or value == math.inf:
            raise InputError(f"{name}: expected {known}, got {shortened(value)}")


def one_of(own: Any, name: str, allowed: Iterable[str]) -> None:
    """Refuse a field of a dataclass that is none of some words."""
    if (value := getattr(own, name)) not in (known := tuple(allowed)):
        raise InputError(f"{name}: expected one of {', '.join(known)}, got {shortened(value)}")


def shortened(value: Any) -> str:
    """A value as it would be written, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no integer of more than 4300 digits
        text = "a very large number"
    return text if len(text) <= 60 else f"{text[:57]}..."
