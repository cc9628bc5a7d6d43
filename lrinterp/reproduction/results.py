"""The sections of a reproduction's page, in their order, and its claims."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lrinterp.experiment import Dynamics, LoadedSweep, dynamics_of, study_results
from lrinterp.experiment.bookkeeping import Runs, runs
from lrinterp.experiment.design import dotted
from lrinterp.reproduction.ablations import ablations
from lrinterp.reproduction.attribution import attribution
from lrinterp.reproduction.claims import Claims, hold_against
from lrinterp.reproduction.criteria import METRICS
from lrinterp.reproduction.design import ARMS
from lrinterp.reproduction.gradients import gradients
from lrinterp.reproduction.grids import of_diversity, of_scales
from lrinterp.reproduction.loading import Made
from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.rotation import rotation
from lrinterp.reproduction.scales import scales
from lrinterp.reproduction.section import Captioned
from lrinterp.reproduction.statistics import Found, by_seed, of_arms
from lrinterp.reproduction.tables import ARM_WORDS
from lrinterp.reproduction.text_heads import text_heads
from lrinterp.result import Provenance, Result, Skipped
from lrinterp.wording import counted

__all__ = ["judged", "reproduction_provenance", "reproduction_results"]

OF_ARMS: tuple[tuple[str, Callable[[Measures, Mapping[str, Found]], Result]], ...] = (
    ("gradients", gradients),
    ("ablations", ablations),
    ("text_heads", text_heads),
    ("rotation", rotation),
    ("attribution", attribution),
)


def judged(made: Made) -> Claims:
    """Every claim held against what was measured; what was not measured is undecided."""
    found = of_arms(made.measures) | of_diversity(made.diversity)
    found |= of_scales(made.scales)
    found["lag"] = lag(made.emergence)
    return hold_against(found)


def lag(rows: Sequence[Mapping[str, Any]]) -> Found:
    """Step at which order breaks minus step at which the gradient has half its final slope."""
    if not rows:
        return by_seed(pd.Series(dtype=float))
    return by_seed(dynamics_of(rows).events.set_index("seed")["lag"])


def reproduction_results(made: Made) -> dict[str, Result]:
    """All sections by name, claims first; what cannot be shown says why in one line."""
    sections: dict[str, Result] = {"claims": judged(made), **diversity_sections(made.diversity)}
    if not made.measures.numbers.empty:
        found = of_arms(made.measures)
        sections |= {name: section(made.measures, found) for name, section in OF_ARMS}
    if made.emergence:
        followed = dynamics_of(made.emergence)
        expected = "the slope of the head passes half its final value when order passes 0.75"
        sections["emergence"] = Captioned(inner=followed, expected=expected, came=clause(followed))
    return {
        **sections,
        "scales": scales(made.scales),
        "runs": all_runs(made),
    }


def diversity_sections(loaded: LoadedSweep | None) -> dict[str, Result]:
    """Accuracy by diversity and shares of variance, in the first arm of the sweep."""
    if loaded is None:
        asked = "Is it many labels or many layouts that make order generalise?"
        reason = "no sweep of diversity was run or given with --study"
        return {"diversity": Skipped(skipped="diversity", asked=asked, reason=reason)}
    first = loaded.study.arm_names[0]
    arms = {first: loaded.study.arms[first]} if loaded.study.arms else {}
    study = replace(loaded.study, arms=arms)
    table = loaded.table[loaded.table["arm"] == first]
    made = study_results(study, table)
    rises = "order and retrieval rise with the labels in pairs and not with the layouts"
    shares = "labels explain more of the variance of each metric than layouts do"
    words = {
        "diversity": (made["unseen_pair"], rises, diversity_words(loaded)),
        "variance": (made["variance"], shares, share_words(loaded)),
    }
    return {
        name: result if result.reason else Captioned(inner=result, expected=expected, came=came)
        for name, (result, expected, came) in words.items()
    }


def share_words(loaded: LoadedSweep) -> str:
    """By how much labels explain more than layouts, of each metric."""
    found = {name: one.metric for name, one in of_diversity(loaded).items()}
    parts = [f"{found[f'shares_{metric}'].phrase} of {words}" for metric, words in METRICS.items()]
    return f"share of labels minus share of layouts {', '.join(parts)}"


def diversity_words(loaded: LoadedSweep) -> str:
    """What labels and layouts gain, of each metric."""
    found = {name: one.metric for name, one in of_diversity(loaded).items()}
    return ", ".join(
        f"{words} gains {found[f'labels_{metric}'].phrase} by labels and "
        f"{found[f'layouts_{metric}'].phrase} by layouts"
        for metric, words in METRICS.items()
    )


def clause(found: Dynamics) -> str:
    """When order and slope came, in a clause."""
    step, half, late = (found.metrics[n] for n in ("breaking_step", "half_slope_step", "lag"))
    return (
        f"order passes 0.75 at step {step.phrase}, the slope half its final value at step "
        f"{half.phrase}, a lag of {late.phrase} ({counted(late.n, 'run')})"
    )


def all_runs(made: Made) -> Runs:
    """What was trained here: the arms, and the grid of scales as one more."""
    grid = "grid of scales"
    arms = runs(made.models.study, made.models.table)
    scales_runs = runs(made.scales.study, made.scales.table.assign(arm=grid))
    words = {name: ARM_WORDS.get(name, name) for name in arms.planned}
    models = arms.models.assign(arm=arms.models["arm"].map(words))
    planned = {words[name]: count for name, count in arms.planned.items()}
    return Runs(
        models=pd.concat([models, scales_runs.models], ignore_index=True),
        planned={**planned, grid: sum(scales_runs.planned.values())},
    )


def reproduction_provenance(made: Made, *, command: str) -> Provenance:
    """Where the numbers come from; the date is the end of the last model."""
    tables = [made.models.table, made.scales.table]
    ended = pd.concat([table["finished"] for table in tables]).dropna()
    studies: Mapping[str, Any] = {"models": made.models.study, "scales": made.scales.study}
    if made.diversity is not None:
        studies = {**studies, "diversity": made.diversity.study}
    arms = {words: ARMS[name]["about"] for name, words in ARM_WORDS.items() if name in ARMS}
    return Provenance(
        checkpoint="Left and right in a dual encoder: what was found, checked by a machine",
        command=command,
        date=str(ended.max()) if len(ended) else "",
        versions=made.models.versions,
        settings={
            "reproduction": {
                "quick": made.design.quick,
                "seeds": made.design.seeds,
                **made.frozen,
                **dotted(made.design.base),
            },
            **{f"{name} grid": study.factors for name, study in studies.items()},
            **{
                f"{name} seeds": {"first_seed": study.first_seed, "seeds": study.seeds}
                for name, study in studies.items()
            },
            **{
                f"arm {name}": {k: v for k, v in arm.items() if k != "about"}
                for name, arm in ARMS.items()
            },
        },
        kicker="A reproduction of arXiv 2601.12809",
        about=(
            "Two small encoders, of a row of pixels and of a caption, learn which caption goes "
            "with which picture. The paper says that they learn left and right, from which "
            "training pictures, and by which part of attention. Each finding is held against a "
            "criterion written before the run.",
            *([f"Changed in all models: {listed(made.design.base)}."] if made.design.base else []),
            " ".join(f"{words[:1].upper()}{words[1:]}: {about}" for words, about in arms.items()),
        ),
    )


def listed(base: Mapping[str, Mapping[str, Any]]) -> str:
    """Changes of the recipe in one line."""
    return ", ".join(f"{name} = {value}" for name, value in dotted(base).items())
