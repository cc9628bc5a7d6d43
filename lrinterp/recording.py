"""Recording: run a model on examples once and keep the activations that were asked for.

Names are TransformerLens's. They may hold wildcards (`blocks.*.attn.hook_pattern`), and a leading
tower name restricts them (`image.blocks.0.hook_resid_pre`). Every analysis runs on a recording.
Not meant for all activations of a large model: ask for the sites that a question needs.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm
from transformer_lens import ActivationCache

from lrinterp.axes import AnyInputs, Embeddings, Inputs, Pixels, Scores, Tokens
from lrinterp.encoders import DualEncoder, PatchTower, Tower, batch_that_fits, positions
from lrinterp.scenes import Examples
from lrinterp.store import InputError, read_json, sha256, write_json

__all__ = ["ATTENTION", "Recording", "load_recording", "record"]

ATTENTION = ("blocks.*.attn.hook_attn_scores", "blocks.*.attn.hook_pattern")
"""The sites that the standard analyses read."""

EMBEDDING, INPUTS = "embedding", "inputs"
INDEX = "recording.json"


@dataclass(frozen=True, eq=False)
class Recording:
    """A model, the examples it read, their embeddings, and cached activations by tower."""

    model: DualEncoder
    examples: Examples
    inputs: Mapping[str, AnyInputs]
    embeddings: Mapping[str, Embeddings]
    caches: Mapping[str, ActivationCache]
    """By tower; `caches["image"]["pattern", 0]` and the long form both work."""

    def site(self, tower: str, name: str) -> Tensor:
        """A cached activation by its full name; InputError, with the remedy, where it is not."""
        if name not in self.caches[tower].cache_dict:
            raise InputError(f"{name} of the {tower} tower was not recorded; ask record() for it")
        return self.caches[tower].cache_dict[name]

    @property
    def scores(self) -> Scores:
        """Cosine of every picture with every caption."""
        return self.embeddings["image"] @ self.embeddings["text"].T

    def save(self, folder: str | Path) -> None:
        """Write inputs, embeddings and activations, one .npy file each; whole or not at all."""
        target = Path(folder)
        temporary = fresh_folder(target)
        names = {}
        for tower, inputs in self.inputs.items():
            arrays = {EMBEDDING: self.embeddings[tower], **self.caches[tower].cache_dict}
            names[tower] = list(self.caches[tower].cache_dict)
            for name, tensor in {INPUTS: inputs.values, **arrays}.items():
                np.save(file_of(temporary, tower, name), tensor.cpu().numpy())
        publish(temporary, target, names, fingerprint(self.model))


def record(
    model: DualEncoder,
    examples: Examples,
    names: Sequence[str] = ATTENTION,
    *,
    batch_size: int | None = None,
    folder: str | Path | None = None,
    progress: bool | None = None,
) -> Recording:
    """Run both towers and cache the named sites.

    With `folder`, activations stream to memory-mapped .npy files there and memory stays bounded
    by one batch, of `batch_that_fits` unless a size is given; `load_recording` opens such a folder
    again. Raises InputError for a name that
    matches no hook, or a hook that never fires.
    """
    check_sizes(model, examples)
    wanted = {name: match_hooks(model.towers, names, name) for name in model.towers}
    if not len(examples):
        raise InputError("no pictures to record: every set that was asked for is empty")
    inputs = model.prepare(examples)
    temporary = fresh_folder(Path(folder)) if folder else None
    stores = {tower: Store(temporary, tower, len(inputs[tower])) for tower in inputs}
    hidden = None if progress is None else not progress
    total = sum(map(len, inputs.values()))
    try:
        with tqdm(total=total, unit="example", desc="recording", disable=hidden) as bar:
            for tower, own in inputs.items():
                size = batch_size or batch_that_fits(model.towers[tower], own)
                for start in range(0, len(own), size):
                    part = own.at(slice(start, start + size))
                    stores[tower].put(start, run(model, tower, part, wanted[tower]))
                    bar.update(len(part))
    except BaseException:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
        raise
    if temporary:
        for tower, own in inputs.items():
            np.save(file_of(temporary, tower, INPUTS), own.values.cpu().numpy())
        publish(temporary, Path(str(folder)), wanted, fingerprint(model))
        return load_recording(Path(str(folder)), model, examples)
    tensors = {tower: store.tensors for tower, store in stores.items()}
    return assemble(model, examples, inputs, tensors)


def load_recording(folder: str | Path, model: DualEncoder, examples: Examples) -> Recording:
    """Open a saved recording, memory-mapped; the examples must be those that were recorded."""
    folder = Path(folder)
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder}: not a recording (no {INDEX})")
    inputs = model.prepare(examples)
    tensors: dict[str, dict[str, Tensor]] = {}
    index = read_json(folder / INDEX)
    if index["weights"] != fingerprint(model):
        raise InputError(f"{folder}: recorded from another model than the one given")
    for tower, names in index["hooks"].items():
        read = {name: open_array(file_of(folder, tower, name)) for name in (EMBEDDING, *names)}
        if not torch.equal(open_array(file_of(folder, tower, INPUTS)), inputs[tower].values.cpu()):
            raise InputError(f"{folder}: recorded from other {tower} examples than those given")
        tensors[tower] = read
    return assemble(model, examples, inputs, tensors)


def check_sizes(model: DualEncoder, examples: Examples) -> None:
    """Refuse examples that a tower cannot read, naming the tower."""
    for name, tower in model.towers.items():
        inputs = getattr(examples, name)
        if isinstance(tower, PatchTower) != isinstance(inputs, Pixels):
            reads, got = (
                ("pixels", "tokens") if isinstance(inputs, Tokens) else ("tokens", "pixels")
            )
            raise InputError(f"the {name} tower reads {reads}; the examples hold {got}")
        if isinstance(tower, PatchTower):
            tower.check(inputs.values)
        else:
            check_words(name, tower, len(examples.words[name]), positions(tower, inputs))


def check_words(name: str, tower: Tower, n_words: int, n_positions: int) -> None:
    """Refuse more words or positions than a tower of tokens has."""
    d_vocab, n_ctx = tower.cfg.d_vocab, tower.cfg.n_ctx
    if n_words > d_vocab or n_positions > n_ctx:
        raise InputError(
            f"the {name} tower reads {d_vocab} words and {n_ctx} positions; the examples have "
            f"{n_words} and {n_positions}; are these towers made for this world?"
        )


def match_hooks(towers: Mapping[str, Tower], names: Sequence[str], tower: str) -> list[str]:
    """The hooks of one tower that some names ask for; a name no tower knows is an InputError."""
    for name in names:
        if not any(hooks_of(towers[t], t, name) for t in towers):
            known = [hook for t in towers for hook in towers[t].hook_dict]
            known += [f"{t}.{hook}" for t in towers for hook in towers[t].hook_dict]
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "names are TransformerLens's"
            raise InputError(f"hook {name!r} matches nothing; {hint}")
    return list(dict.fromkeys(h for name in names for h in hooks_of(towers[tower], tower, name)))


def hooks_of(model: Tower, tower: str, pattern: str) -> list[str]:
    """The hooks of a tower under a name, a wildcard, or either behind the tower's own name."""
    local = pattern.removeprefix(f"{tower}.")
    return [hook for hook in model.hook_dict if fnmatchcase(hook, local)]


@torch.no_grad()
def run(model: DualEncoder, tower: str, inputs: Inputs, names: list[str]) -> dict[str, Tensor]:
    """One full forward pass: the named activations and the pooled unit embeddings."""
    wanted = set(names)
    logits: Any
    logits, cache = model.towers[tower].run_with_cache(
        inputs.values, names_filter=lambda name: name in wanted, return_cache_object=False
    )
    if silent := sorted(wanted - set(cache)):
        raise InputError(f"hook {silent[0]!r} of the {tower} tower never fires in this model")
    rows = torch.arange(len(inputs), device=logits.device)
    return {EMBEDDING: F.normalize(logits[rows, inputs.pool], dim=-1), **cache}


class Store:
    """Activations of one tower as they arrive: in memory, or in memory-mapped files."""

    def __init__(self, folder: Path | None, tower: str, n: int) -> None:
        self.folder, self.tower, self.n = folder, tower, n
        self.tensors: dict[str, Tensor] = {}

    def put(self, start: int, batch: Mapping[str, Tensor]) -> None:
        """Write one batch at its place."""
        for name, value in batch.items():
            if name not in self.tensors:
                self.tensors[name] = self.reserve(name, value)
            self.tensors[name][start : start + len(value)] = value.to(self.tensors[name].device)

    def reserve(self, name: str, like: Tensor) -> Tensor:
        """Room for all examples of one site."""
        shape = (self.n, *like.shape[1:])
        if self.folder is None:
            return torch.empty(shape, dtype=like.dtype, device=like.device)
        dtype = torch.empty(0, dtype=like.dtype).numpy().dtype
        path = file_of(self.folder, self.tower, name)
        return torch.from_numpy(np.lib.format.open_memmap(path, "w+", dtype, shape))


def assemble(
    model: DualEncoder,
    examples: Examples,
    inputs: Mapping[str, AnyInputs],
    tensors: Mapping[str, dict[str, Tensor]],
) -> Recording:
    """A recording from its tensors by tower and name."""
    embeddings = {tower: own.pop(EMBEDDING) for tower, own in tensors.items()}
    caches = {t: ActivationCache(own, model.towers[t]) for t, own in tensors.items()}
    return Recording(model, examples, inputs, embeddings, caches)


def file_of(folder: Path, tower: str, name: str) -> Path:
    """Where one site of one tower lies."""
    return folder / f"{tower}.{name}.npy"


def fresh_folder(target: Path) -> Path:
    """An empty folder beside the target, to be renamed when it is complete."""
    if target.exists():
        raise InputError(f"{target}: already exists; choose another folder")
    temporary = target.with_name(f".tmp-{target.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def fingerprint(model: DualEncoder) -> str:
    """A hash of the weights, by which a recording knows its model."""
    weights = model.trainable()
    return sha256(b"".join(weights[name].detach().cpu().numpy().tobytes() for name in weights))


def publish(temporary: Path, target: Path, names: Mapping[str, Any], weights: str) -> None:
    """Write the index and let the complete folder appear."""
    write_json(temporary / INDEX, {"weights": weights, "hooks": names})
    temporary.rename(target)


def open_array(path: Path) -> Tensor:
    """A memory-mapped array; writes to it stay in memory. A damaged file is an InputError."""
    try:
        return torch.from_numpy(np.load(path, mmap_mode="c"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: missing or damaged ({error}); record again") from error
