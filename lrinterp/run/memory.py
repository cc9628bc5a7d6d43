"""Where the tensors of a run lie: in memory up to a budget, in memory-mapped files above it.

And in a folder, where they are saved: inputs, embeddings and some activations, one .npy file each.
"""

import math
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrinterp.encoders import DualEncoder, Tower
from lrinterp.store import InputError, read_json, sha256, write_json

if TYPE_CHECKING:
    from lrinterp.run.passes import Pass
    from lrinterp.run.tower import TowerRun

__all__ = [
    "BUDGET",
    "EMBEDDING",
    "Sites",
    "fingerprint",
    "keeping",
    "match_hooks",
    "never_fires",
    "open_folder",
    "part_size",
    "room",
    "save_folder",
    "using_threads",
]

EMBEDDING = "embedding"
INPUTS, INDEX = "inputs", "recording.json"
BUDGET = 2**30
"""Bytes that the streams of one pass, or the sites inside its layers, may take in memory."""
PART_BYTES = 2**30
"""What the activations of two runs and one backward pass may take, whatever the model."""
TOGETHER = (
    ("attn.hook_attn_scores", "attn.hook_pattern"),
    ("attn.hook_z", "hook_mlp_out", "hook_attn_out"),
    ("attn.hook_q", "attn.hook_k", "attn.hook_v"),
)
"""Sites of a layer that are kept together: who asks for one soon asks for the others."""


def room(shape: tuple[int, ...], like: Tensor, copies: int) -> Tensor:
    """An empty tensor; memory-mapped where so many of its size would exceed the budget."""
    if math.prod(shape) * like.element_size() * copies <= BUDGET:
        return torch.empty(shape, dtype=like.dtype, device=like.device)
    file = tempfile.NamedTemporaryFile(prefix="lrinterp-", suffix=".stream")  # noqa: SIM115
    dtype = torch.empty(0, dtype=like.dtype).numpy().dtype
    mapped = torch.from_numpy(np.memmap(file, dtype=dtype, mode="w+", shape=shape))
    weakref.finalize(mapped, file.close)
    return mapped


def part_size(tower: Tower, n_positions: int) -> int:
    """How many examples may be patched side by side within PART_BYTES; at least one.

    Counted for each layer: six sites as wide as the stream and two maps, of both runs and as
    gradients; and what the backward pass keeps, about fourteen streams, four MLPs and four maps.
    ViT-B/32 patches 10 pairs at once, ViT-L/14 one.
    """
    cfg = tower.cfg
    wide, maps = n_positions * cfg.d_model, cfg.n_heads * n_positions**2
    mlp = 0 if cfg.attn_only else n_positions * (cfg.d_mlp or 0)
    numbers = 3 * (6 * wide + 2 * maps) + 14 * wide + 4 * mlp + 4 * maps
    return max(1, PART_BYTES // (4 * numbers * cfg.n_layers))


class Sites(Mapping):  # bare, so that no type checker reads a site to see what it is
    """The activations of a run by hook name, each made when it is first asked for.

    Streams come from the run's pass. What lies inside a layer is made again from the stream that
    the layer reads and kept, the oldest forgotten first, within the budget.
    """

    def __init__(self, run: "TowerRun") -> None:
        self.run = run
        self.known = set(run.tower.hook_dict)
        self.inside: dict[str, Tensor] = {}

    def __contains__(self, name: object) -> bool:
        return name in self.known

    def __iter__(self) -> Iterator[str]:
        return iter(self.run.tower.hook_dict)

    def __len__(self) -> int:
        return len(self.known)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.known:
            raise KeyError(name)
        if (known := self.run.known(name)) is not None:
            return known
        layer, site = place_of(name)
        if layer is not None and site in ("hook_resid_pre", "hook_resid_post"):
            return self.run.residual(layer + (site == "hook_resid_post"))
        group = next((group for group in TOGETHER if site in group), (site,))
        self.load(name.removesuffix(site) + one for one in group)
        if name not in self.inside:
            raise never_fires(self.run, name)
        return self.inside[name]

    def load(self, names: Iterable[str]) -> None:
        """Make some sites at once, those that fire: a layer's work for each layer that lacks one.

        What belongs to no layer comes before the first, or is made of the weights.
        """
        asked = [n for n in names if n in self.known and n not in self.inside]
        for layer in dict.fromkeys(place_of(n)[0] for n in asked):
            self.keep(self.made([n for n in asked if place_of(n)[0] == layer], layer))

    @torch.no_grad()
    def made(self, names: list[str], layer: int | None) -> dict[str, Tensor]:
        """What some hooks of one layer see, or of what comes before the first, of all inputs."""
        parts: list[dict[str, Tensor]] = []
        whole = None if layer is None else self.run.residual(layer)  # before any hook is on
        for some, part in self.run.parts():
            parts.append({})
            start, end = (None, 0) if whole is None else (whole[some], (layer or 0) + 1)
            with part.hooked([(name, keeping(parts[-1])) for name in names], inside=layer or 0):
                part.forward(layer or 0, start, end)
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def keep(self, found: Mapping[str, Tensor]) -> None:
        """Keep some sites, and forget the oldest where all would exceed the budget.

        Attention maps go first: they are the largest, and read layer by layer.
        """
        self.inside |= found
        size = sum(tensor.nbytes for tensor in self.inside.values())
        old = [name for name in self.inside if name not in found]
        for name in sorted(old, key=lambda name: not name.endswith(TOGETHER[0])):
            if size > BUDGET:
                size -= self.inside.pop(name).nbytes


def never_fires(run: "Pass", name: str) -> InputError:
    """What is raised where a hook is asked for that no pass calls before the last stream."""
    return InputError(f"hook {name!r} of the {run.name} tower never fires in this model")


def keeping(found: dict[str, Tensor]) -> Callable[[Tensor, Any], None]:
    """A hook that keeps what it sees by its name."""

    def keep(activation: Tensor, hook: Any) -> None:
        found[hook.name] = activation

    return keep


def place_of(name: str) -> tuple[int | None, str]:
    """Layer and site of a hook: blocks.3.attn.hook_z is (3, attn.hook_z)."""
    blocks, _, rest = name.partition(".")
    layer, _, site = rest.partition(".")
    return (int(layer), site) if blocks == "blocks" and layer.isdecimal() else (None, name)


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Inside, torch uses so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# A folder


def match_hooks(runs: Mapping[str, "TowerRun"], names: Sequence[str]) -> dict[str, list[str]]:
    """The hooks of each tower under some names, wildcards, or either behind a tower's own name.

    A name that no tower knows is an InputError.
    """
    whole = [(tower, hook) for tower, run in runs.items() for hook in run.tower.hook_dict]
    found: dict[str, dict[str, None]] = {tower: {} for tower in runs}
    for name in names:
        own = [(t, hook) for t, hook in whole if fnmatchcase(hook, name.removeprefix(f"{t}."))]
        if not own:
            known = [*(hook for _, hook in whole), *map(".".join, whole)]
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "names are TransformerLens's"
            raise InputError(f"hook {name!r} matches nothing; {hint}")
        for tower, hook in own:
            found[tower][hook] = None
    return {tower: list(hooks) for tower, hooks in found.items()}


def save_folder(
    target: Path, towers: Mapping[str, "TowerRun"], names: Mapping[str, Sequence[str]]
) -> None:
    """Write the runs of some towers; the folder appears when it is complete.

    Raises InputError where it exists, or a hook never fires.
    """
    if target.exists():
        raise InputError(f"{target}: already exists; choose another folder")
    temporary = target.with_name(f".tmp-{target.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for tower, run in towers.items():
            np.save(file_of(temporary, tower, INPUTS), run.inputs.values.cpu().numpy())
            np.save(file_of(temporary, tower, EMBEDDING), run.embeddings.cpu().numpy())
            save_sites(temporary, run, names[tower])
        model = next(iter(towers.values())).model
        write_json(temporary / INDEX, {"weights": fingerprint(model), "hooks": dict(names)})
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def save_sites(folder: Path, run: "TowerRun", names: Sequence[str]) -> None:
    """Write some activations batch by batch."""
    files: dict[str, np.memmap] = {}
    for some, part in run.parts():
        for name, value in part.values(names).items():
            array = value.cpu().numpy()
            if name not in files:
                shape = (len(run), *array.shape[1:])
                path = file_of(folder, run.name, name)
                files[name] = np.lib.format.open_memmap(path, "w+", array.dtype, shape)
            files[name][some] = array


def open_folder(folder: Path, towers: Mapping[str, "TowerRun"]) -> None:
    """Give the runs of some towers what was saved; InputError where it belongs to others."""
    if not (folder / INDEX).is_file():
        raise InputError(f"{folder}: not a recording (no {INDEX})")
    index: dict[str, Any] = read_json(folder / INDEX)
    if index["weights"] != fingerprint(next(iter(towers.values())).model):
        raise InputError(f"{folder}: recorded from another model than the one given")
    for tower, names in index["hooks"].items():
        run = towers[tower]
        found = {name: open_array(file_of(folder, tower, name)) for name in (EMBEDDING, *names)}
        if not torch.equal(open_array(file_of(folder, tower, INPUTS)), run.inputs.values.cpu()):
            raise InputError(f"{folder}: recorded from other {tower} examples than those given")
        run.kept |= found


def file_of(folder: Path, tower: str, name: str) -> Path:
    """Where one site of one tower lies."""
    return folder / f"{tower}.{name}.npy"


def fingerprint(model: DualEncoder) -> str:
    """A hash of the weights, by which a recording knows its model."""
    weights = model.trainable()
    return sha256(b"".join(weights[name].detach().cpu().numpy().tobytes() for name in weights))


def open_array(path: Path) -> Tensor:
    """A memory-mapped array; writes to it stay in memory. A damaged file is an InputError."""
    try:
        return torch.from_numpy(np.load(path, mmap_mode="c"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: missing or damaged ({error}); record again") from error
