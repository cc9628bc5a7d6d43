"""The files of a published CLIP: where they are, its settings, its weights, its tokenizer.

Nothing is unpickled, and every setting is handled, ignored by name, or refused: a key that nobody
has looked at may change what the model computes, so an unknown one is an error.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lrinterp.encoders import ClipSpec
from lrinterp.store import InputError, from_plain, read_json, sha256, shortened, taken

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = [
    "Rules",
    "allowed",
    "fetch",
    "has_weights",
    "is_hub_name",
    "read_as",
    "read_tensors",
    "read_tokenizer",
]

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
FILES = ["*.json", "*.txt", "*.safetensors"]
"""Configurations, tokenizer and weights; pickled weights are not even fetched."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
WHOLE, WORDS, MERGES = "tokenizer.json", "vocab.json", "merges.txt"
EXPECTED = f"{WHOLE}, or {WORDS} and {MERGES}"
SETTINGS = Annotated[dict[str, Any], Meta(description="named settings")]
MAP = Annotated[dict[str, str], Meta(min_length=1, description="a weight_map of keys to files")]


# On the Hugging Face hub.


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
            f"{name}: no such folder, and not available from the Hugging Face hub ({reason[:160]})"
        ) from error


# Settings.


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What becomes of keys that are not read."""

    ignored: frozenset[str] = frozenset()
    """Keys that change nothing in how a trained model embeds."""
    only: Mapping[str, tuple[Any, ...]]
    """Keys that may have these values and no others: any other would be another model."""


def allowed(plain: Any, heard: Collection[str], rules: Rules, where: str) -> dict[str, Any]:
    """The settings that are heard; InputError for one that is unknown or of another model."""
    for key, value in taken(plain, SETTINGS, where).items():
        if key in rules.only and value not in rules.only[key]:
            expected = " or ".join(map(shortened, rules.only[key]))
            raise InputError(
                f"{where}: {key}: expected {expected}, got {shortened(value)}; other models are "
                "not read"
            )
        if key not in {*heard, *rules.only, *rules.ignored}:
            raise InputError(f"{where}: unknown setting {key!r}, it might change the model")
    return {key: value for key, value in plain.items() if key in heard}


def read_as(kind: type[T], plain: Any, rules: Rules, where: str) -> T:
    """The settings that are fields of a class, as that class."""
    heard = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return from_plain(kind, allowed(plain, heard, rules, where), where)


# Weights.


def has_weights(folder: Path, name: str) -> bool:
    """Does a folder hold safetensors weights of this name, whole or in parts?"""
    return any((folder / file).is_file() for file in (name, f"{name}.index.json"))


def read_tensors(folder: Path, name: str) -> tuple[dict[str, Tensor], str]:
    """All tensors by key, and the hash of the files.

    One file's is its sha256, that of several the sha256 of their hashes, one a line.
    """
    tensors: dict[str, Tensor] = {}
    digests = []
    for path in files_of(folder, name):
        try:
            tensors |= load_file(path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not a safetensors file ({error}); fetch it again") from error
        with path.open("rb") as file:  # never held in memory as a whole
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return tensors, digests[0] if len(digests) == 1 else sha256("\n".join(digests).encode())


def files_of(folder: Path, name: str) -> Sequence[Path]:
    """The file of this name, or those that its index lists."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        raise InputError(lacking(folder, name))
    plain = taken(read_json(index), SETTINGS, str(index))
    files = sorted(set(taken(plain.get("weight_map"), MAP, str(index)).values()))
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


# The tokenizer.


def read_tokenizer(folder: Path, given: str | Path | None, spec: ClipSpec) -> "Tokenizer":
    """The tokenizer of a folder, or of the folder or file that was given instead.

    Captions are lower-cased and marked with start and end as CLIP does; they are neither padded
    nor cut. Raises InputError where there is none, or where it does not fit the model.
    """
    place = Path(given) if given is not None else folder
    try:
        tokenizer = open_tokenizer(place, needed=given is None)
    except InputError:
        raise
    except Exception as error:  # tokenizers raises plain exceptions for whatever it cannot read
        raise InputError(f"{place}: not a tokenizer ({str(error).splitlines()[0]})") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    check_tokenizer(tokenizer, spec, place)
    return tokenizer


def open_tokenizer(place: Path, *, needed: bool) -> "Tokenizer":
    """The tokenizer in a folder or file; `needed` says that the user named no other place."""
    from tokenizers import Tokenizer
    from transformers import CLIPTokenizer

    for file in (place, place / WHOLE):
        if file.is_file():
            return Tokenizer.from_file(str(file))
    words, merges = place / WORDS, place / MERGES
    if words.is_file() and merges.is_file():
        return CLIPTokenizer(vocab=str(words), merges=str(merges)).backend_tokenizer
    remedy = f"; pass --tokenizer PATH, a folder with {EXPECTED}" if needed else ""
    raise InputError(f"{place}: has no tokenizer ({EXPECTED}){remedy}")


def check_tokenizer(tokenizer: "Tokenizer", spec: ClipSpec, place: Path) -> None:
    """Refuse a tokenizer that does not mark captions, or has ids that the model does not know."""
    if (size := tokenizer.get_vocab_size()) > spec.vocabulary:
        raise InputError(f"{place}: {size} tokens, the text tower knows {spec.vocabulary}")
    ids = tokenizer.encode("a").ids
    if (top := max(*ids, *tokenizer.get_vocab().values(), 0)) >= spec.vocabulary:
        raise InputError(
            f"{place}: has token id {top}, the text tower knows 0 to {spec.vocabulary - 1}"
        )
    if len(ids) != 3:
        raise InputError(f"{place}: expected a start and an end around a caption, got ids {ids}")
    if spec.end is not None and ids[-1] != spec.end:
        raise InputError(
            f"{place}: captions end with token {ids[-1]}, the configuration pools token {spec.end}"
        )
    # the first token of the pooled id is taken, which must be the last token and no earlier one
    if ids.index(max(ids) if spec.end is None else spec.end) < len(ids) - 1:
        pooled = "the highest id" if spec.end is None else f"token {spec.end}"
        raise InputError(
            f"{place}: a caption reads {ids} and {pooled} is pooled, which is not its end; start "
            "and end tokens exchanged?"
        )
