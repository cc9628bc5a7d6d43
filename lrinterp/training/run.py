"""A training run in a folder: refused where it would overwrite, resumed where it was killed.

Until it ends, a run lives in `training-state.safetensors` (weights, optimiser, random state,
history, configuration), written atomically at every evaluation. At the end the checkpoint is
written and the state removed. Checkpoints kept along the way lie in `steps/000100`, ...
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from msgspec import Meta
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors

from lrinterp.checkpoint import METADATA, ONCE, fill, read_metadata, save_checkpoint
from lrinterp.encoders import PRESETS, DualEncoder, EncoderConfig
from lrinterp.locking import TEMPORARY, alone, holds_nothing
from lrinterp.scenes import SETS, Scenes
from lrinterp.scoring import accuracy_rows
from lrinterp.store import (
    InputError,
    from_plain,
    parse_json,
    sha256,
    taken,
    to_plain,
    write_atomically,
)
from lrinterp.training.fit import FitConfig, Fitter, fit

__all__ = ["Plan", "train"]

Section = Annotated[dict[str, Any], Meta(description="a section of fields")]
STATE = "training-state.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that determines a training run."""

    scenes: Scenes
    encoder: EncoderConfig
    fit: FitConfig

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], where: str) -> Self:
        """Read `world`, `split`, `encoder` (from its `preset`, `minimal` by default) and `fit`.

        What is not given keeps its default. Raises InputError, naming `where` and the field.
        """
        sections = ("world", "split", "encoder", "fit")
        for name, fields in plain.items():
            if name not in sections:
                raise InputError(
                    f"{where}: unknown section {name!r}; expected {', '.join(sections)}"
                )
            taken(fields, Section, f"{where}: {name}")
        scenes = Scenes.from_plain(plain.get("world", {}), plain.get("split", {}), where)
        encoder = dict(plain.get("encoder", {}))
        name = encoder.get("preset", "minimal")
        taken(name, Literal["minimal", "full"], f"{where}: encoder.preset")
        whole = to_plain(PRESETS[name]) | encoder
        return cls(
            scenes=scenes,
            encoder=from_plain(EncoderConfig, whole, f"{where}: encoder"),
            fit=from_plain(FitConfig, plain.get("fit", {}), f"{where}: fit"),
        )

    def build(self) -> DualEncoder:
        """The model before its first step, on the CPU."""
        return DualEncoder.build(self.encoder, self.scenes.sizes, self.fit.seed)

    def plain(self) -> dict[str, Any]:
        """World, split, encoder and recipe as plain data."""
        return {
            "world": to_plain(self.scenes.world),
            "split": to_plain(self.scenes.split),
            "encoder": to_plain(self.encoder),
            "fit": to_plain(self.fit),
        }


def train(
    plan: Plan,
    out: Path,
    *,
    resume: bool = False,
    device: str | torch.device = "cpu",
    progress: bool | None = None,
) -> bool:
    """Train a model into a folder; False says that it was finished already and left alone.

    Raises InputError where `out` holds anything that `resume` does not allow to go on with, where
    another process trains into it, or where the loss diverges.
    """
    if finished(plan, out, resume=resume):
        return False
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        fitter = Fitter(plan.build().to(device), plan.scenes, plan.fit)
        if (out / STATE).exists():
            restore(fitter, plan, out / STATE)
        else:
            keep(fitter, plan, out / STATE)
        run(fitter, plan, out, progress=progress)
    return True


def run(fitter: Fitter, plan: Plan, out: Path, *, progress: bool | None) -> None:
    """Train to the end, write the checkpoint, remove what only a resumed run needs."""

    def save(fitter: Fitter) -> None:
        every = plan.fit.keep_every
        if every and fitter.step % every == 0:
            keep_checkpoint(fitter, plan, out / "steps" / f"{fitter.step:06d}")
        if fitter.step % plan.fit.evaluate_every == 0:
            keep(fitter, plan, out / STATE)

    scenes, config = plan.scenes, plan.fit
    fit(fitter.model, scenes, config, fitter=fitter, after_evaluation=save, progress=progress)
    finish(fitter, plan, out)
    (out / STATE).unlink()
    for leftover in (*out.glob(TEMPORARY), *out.glob(f"steps/{TEMPORARY}")):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def finished(plan: Plan, out: Path, *, resume: bool) -> bool:
    """Is the run in this folder complete? Refuses what is neither empty nor ours to resume."""
    if holds_nothing(out):
        return False
    if not resume:
        advice = "choose another --out, or add --resume to finish an interrupted run"
        raise InputError(f"{out}: already exists and is not empty; {advice}")
    if (out / STATE).is_file():
        return False
    if not (out / METADATA).is_file():
        raise InputError(f"{out}: nothing to resume (no {STATE}); choose another --out")
    metadata = read_metadata(out)
    made = {"world": metadata.world, "split": metadata.split, "encoder": metadata.encoder}
    compare(plan, {**made, "fit": metadata.recipe}, out)
    return True


def compare(plan: Plan, found: dict[str, Any], where: Path) -> None:
    """Refuse to go on with another configuration, naming the first field that differs.

    A field that is younger than the folder has its default there, or what it once meant.
    """
    given = {part: fields or {} for part, fields in found.items()}
    given["split"] = {**ONCE, **given["split"]}
    before = Plan.from_plain(given, str(where)).plain()
    for part, fields in plan.plain().items():
        for name, value in fields.items():
            if (old := before[part][name]) != value:
                what = f"{part}.{name} = {old!r}, not {value!r}"
                raise InputError(f"{where}: was started with {what}; use the same configuration")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a state file says of itself beside its tensors."""

    plan: dict[str, dict[str, Any]]
    step: int
    history: list[dict[str, Any]]
    sha256: str
    """Of the three fields above and the tensors as safetensors."""

    @classmethod
    def of(cls, fitter: Fitter, plan: Plan, tensors: Mapping[str, torch.Tensor]) -> Self:
        """The header of a state; equal for equal states."""
        fields = {"plan": plan.plain(), "step": fitter.step, "history": fitter.history}
        text = json.dumps(fields, sort_keys=True).encode()
        return cls(**fields, sha256=sha256(text + save_tensors(dict(tensors))))


def keep(fitter: Fitter, plan: Plan, path: Path) -> None:
    """Write the state of a run, whole or not at all."""
    moments = fitter.optimiser.state
    tensors = {f"weight/{k}": v.detach() for k, v in fitter.model.trainable().items()}
    for name, parameter in fitter.parameters.items():
        for key in MOMENTS if parameter in moments else ():
            tensors[f"{key}/{name}"] = moments[parameter][key]
    tensors["generator"] = fitter.generator.get_state()
    plain = {k: v.contiguous().cpu() for k, v in tensors.items()}
    header = Header.of(fitter, plan, plain)
    write_atomically(path, save_tensors(plain, {"run": json.dumps(asdict(header))}))


def restore(fitter: Fitter, plan: Plan, path: Path) -> None:
    """Bring a fitter to the state that `keep` wrote; refuses another configuration."""
    try:
        with safe_open(path, "pt") as file:
            plain = parse_json(file.metadata()["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = from_plain(Header, plain, "run")
    except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    compare(plan, header.plan, path.parent)
    fitter.step, fitter.history = header.step, header.history
    if Header.of(fitter, plan, tensors) != header:
        raise damaged(path, "its contents were altered")
    weights = {k.removeprefix("weight/"): v for k, v in tensors.items() if k.startswith("weight/")}
    fill(fitter.model, weights, path)
    try:
        fitter.generator.set_state(tensors["generator"])
        for name, parameter in fitter.parameters.items():
            if f"step/{name}" in tensors:
                own = {key: tensors[f"{key}/{name}"].to(parameter.device) for key in MOMENTS}
                fitter.optimiser.state[parameter] = own
    except (KeyError, TypeError, RuntimeError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, why: object) -> InputError:
    """What is wrong with a state file, and what to do."""
    return InputError(f"{path}: damaged ({why}); remove its folder and train again")


def finish(fitter: Fitter, plan: Plan, folder: Path) -> None:
    """Write the checkpoint of a fitter, with its scores on the four sets."""
    examples = plan.scenes.examples()
    scores = fitter.model.score(fitter.model.prepare(examples))
    rows = accuracy_rows(scores, examples, SETS)
    save_checkpoint(folder, fitter.model, recipe=plan.plain(), scores=rows, history=fitter.history)


def keep_checkpoint(fitter: Fitter, plan: Plan, folder: Path) -> None:
    """Write a checkpoint along the way; its folder appears whole or not at all."""
    temporary = folder.with_name(f".tmp-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    finish(fitter, plan, temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
