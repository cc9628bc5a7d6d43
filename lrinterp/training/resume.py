"""A training run in a folder: refused where it would overwrite, resumed where it was killed.

Until it ends, a run lives in `training-state.safetensors` (weights, optimiser, random state,
history, configuration), written atomically at every evaluation. At the end the checkpoint is
written and the state removed. Snapshots lie in `steps/000100`, ...
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
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
from lrinterp.store import InputError, from_plain, parse_json, taken, to_plain, write_atomically
from lrinterp.training.fit import FitConfig, Fitter, fit

__all__ = ["Plan", "train"]

Section = Annotated[dict[str, Any], Meta(description="a section of fields")]
STATE = "training-state.safetensors"
FORMAT = 1
"""Of a state file."""
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
        if unknown := [name for name in plain if name not in sections]:
            raise InputError(
                f"{where}: unknown section {unknown[0]!r}; expected {', '.join(sections)}"
            )
        for name, fields in plain.items():
            taken(fields, Section, f"{where}: {name}")
        encoder, kinds = plain.get("encoder", {}), Literal["minimal", "full"]
        name = taken(encoder.get("preset", "minimal"), kinds, f"{where}: encoder.preset")
        return cls(
            scenes=Scenes.from_plain(plain.get("world", {}), plain.get("split", {}), where),
            encoder=from_plain(
                EncoderConfig, to_plain(PRESETS[name]) | encoder, f"{where}: encoder"
            ),
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
        fit(
            fitter.model,
            plan.scenes,
            plan.fit,
            fitter=fitter,
            after_evaluation=lambda fitter: keep_on_the_way(fitter, plan, out),
            progress=progress,
        )
        finish(fitter, plan, out)
        (out / STATE).unlink()
        for leftover in (*out.glob(TEMPORARY), *out.glob(f"steps/{TEMPORARY}")):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return True


def finished(plan: Plan, out: Path, *, resume: bool) -> bool:
    """Is the run in this folder complete? Refuses what is neither empty nor ours to resume."""
    if holds_nothing(out):
        return False
    if not resume:
        raise InputError(
            f"{out}: already exists and is not empty; choose another --out, or add --resume to "
            "finish an interrupted run"
        )
    if (out / STATE).is_file():
        return False
    if not (out / METADATA).is_file():
        raise InputError(f"{out}: nothing to resume (no {STATE}); choose another --out")
    made = read_metadata(out)
    parts = {"world": made.world, "split": made.split, "encoder": made.encoder, "fit": made.recipe}
    check_same_plan(plan, parts, out)
    return True


def check_same_plan(plan: Plan, found: dict[str, Any], where: Path) -> None:
    """Refuse to go on with another configuration, naming the first field that differs.

    A field that is younger than the folder has its default there, or what it once meant.
    """
    given = {part: fields or {} for part, fields in found.items()}
    given["split"] = {**ONCE, **given["split"]}
    before = Plan.from_plain(given, str(where)).plain()
    for part, fields in plan.plain().items():
        for name, value in fields.items():
            if (old := before[part][name]) != value:
                raise InputError(
                    f"{where}: was started with {part}.{name} = {old!r}, not {value!r}; use the "
                    "same configuration"
                )


def keep(fitter: Fitter, plan: Plan, path: Path) -> None:
    """Write the state of a run, whole or not at all."""
    moments = {name: fitter.optimiser.state.get(p, {}) for name, p in fitter.parameters.items()}
    tensors = {
        "generator": fitter.generator.get_state(),
        **{f"weight/{name}": weight for name, weight in fitter.model.trainable().items()},
        **{f"{key}/{name}": moment for name, own in moments.items() for key, moment in own.items()},
    }
    plain = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    state = {"format": FORMAT, "plan": plan.plain(), "step": fitter.step, "history": fitter.history}
    write_atomically(path, save_tensors(plain, {"run": json.dumps(state)}))


def restore(fitter: Fitter, plan: Plan, path: Path) -> None:
    """Bring a fitter to the state that `keep` wrote; refuses another configuration."""
    try:
        with safe_open(path, "pt") as file:
            state = parse_json(file.metadata()["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({error}); remove its folder and train again") from error
    if state.get("format", FORMAT) != FORMAT:  # the first files of this format do not say it
        raise InputError(
            f"{path}: has format {state['format']}, expected {FORMAT}; remove its folder and train "
            "again"
        )
    check_same_plan(plan, state["plan"], path.parent)
    fitter.step, fitter.history = state["step"], state["history"]
    weights = {k.removeprefix("weight/"): v for k, v in tensors.items() if k.startswith("weight/")}
    fill(fitter.model, weights, path)
    fitter.generator.set_state(tensors["generator"])
    for name, parameter in fitter.parameters.items():
        if f"step/{name}" in tensors:
            moments = {key: tensors[f"{key}/{name}"].to(parameter.device) for key in MOMENTS}
            fitter.optimiser.state[parameter] = moments


def keep_on_the_way(fitter: Fitter, plan: Plan, out: Path) -> None:
    """Write what a step leaves: a checkpoint, whole or not at all, and the state of the run."""
    if plan.fit.keeps(fitter.step):
        folder = out / "steps" / f"{fitter.step:06d}"
        temporary = folder.with_name(f".tmp-{folder.name}")
        shutil.rmtree(temporary, ignore_errors=True)
        finish(fitter, plan, temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    if fitter.step % plan.fit.evaluate_every == 0:
        keep(fitter, plan, out / STATE)


def finish(fitter: Fitter, plan: Plan, folder: Path) -> None:
    """Write the checkpoint of a fitter, with its scores on the four sets."""
    model, examples = fitter.model, plan.scenes.examples()
    rows = accuracy_rows(model.score(model.prepare(examples)), examples, SETS)
    save_checkpoint(folder, model, recipe=plan.plain(), scores=rows, history=fitter.history)
