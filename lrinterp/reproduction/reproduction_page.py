"""A reproduction's page: claims, sections in their order, and where the numbers come from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lrinterp.experiment import Dynamics, LoadedSweep, dynamics_of
from lrinterp.experiment.accuracies import set_accuracy, variance
from lrinterp.experiment.section import Section, captioned
from lrinterp.experiment.study import dotted
from lrinterp.experiment.study_page import last_end, runs
from lrinterp.reproduction.claim_statistics import METRICS, Found, by_seed, of_arms
from lrinterp.reproduction.claims import Claims, hold_against
from lrinterp.reproduction.design import ARMS
from lrinterp.reproduction.grids import of_diversity, of_scales, scales
from lrinterp.reproduction.heads import gradients, text_heads
from lrinterp.reproduction.ingredients import ablations, attribution, rotation
from lrinterp.reproduction.measured_models import ARM_WORDS, Measures
from lrinterp.reproduction.running import Made
from lrinterp.result import Provenance, Result, Skipped
from lrinterp.wording import counted

__all__ = ["judged", "lag", "reproduction_provenance", "reproduction_results", "statistics_of"]

OF_ARMS: tuple[Callable[[Measures, Mapping[str, Found]], Section], ...] = (
    gradients,
    ablations,
    text_heads,
    rotation,
    attribution,
)


def statistics_of(made: Made) -> dict[str, Found]:
    """Every statistic of the claims, by name."""
    grids = of_diversity(made.diversity) | of_scales(made.scales)
    return of_arms(made.measures) | grids | {"lag": lag(made.emergence)}


def judged(made: Made) -> Claims:
    """Every claim held against what was measured; what was not measured is undecided."""
    return hold_against(statistics_of(made))


def lag(rows: Sequence[Mapping[str, Any]]) -> Found:
    """Step of the onset of order minus step at which the gradient has half its final slope."""
    if not rows:
        return by_seed(pd.Series(dtype=float))
    return by_seed(dynamics_of(rows).events.set_index("seed")["lag"])


def reproduction_results(made: Made) -> dict[str, Result]:
    """All sections by name, claims first; what cannot be shown says why in one line."""
    found = statistics_of(made)
    sections: list[Result] = [hold_against(found).section, *of_grid(made.diversity, found)]
    if not made.measures.numbers.empty:
        sections += [section(made.measures, found) for section in OF_ARMS]
    if made.emergence:
        sections.append(emergence(dynamics_of(made.emergence)))
    sections += [scales(made.scales, found), all_runs(made)]
    return {section.name: section for section in sections}


def with_captions(result: Result, *, expected: str, observed: str, name: str = "") -> Result:
    """A result of another part, whose figures say what was expected and what was observed."""
    if result.reason:
        return result
    return Section(
        name=name or result.name,
        question=result.question,
        finding=result.finding,
        caveats=result.caveats,
        metrics=result.metrics,
        table=result.frame(),
        drawn=tuple(
            captioned(one, expected=expected, observed=observed) for one in result.figures()
        ),
        short=result.overview(),
    )


def of_grid(loaded: LoadedSweep | None, found: Mapping[str, Found]) -> list[Result]:
    """Accuracy by diversity and shares of variance, in the first arm of the sweep."""
    if loaded is None:
        asked = "Do many labels or many layouts make order generalise?"
        reason = "no sweep of diversity was run or given with --study"
        return [Skipped(skipped="diversity", asked=asked, reason=reason)]
    first = loaded.study.arm_names[0]
    arms = {first: loaded.study.arms[first]} if loaded.study.arms else {}
    study = replace(loaded.study, arms=arms)
    table = loaded.table[loaded.table["arm"] == first]
    said = {name: one.metric.phrase for name, one in found.items()}
    gains = [
        f"{words} gains {said[f'labels_{metric}']} by labels and {said[f'layouts_{metric}']} by "
        "layouts"
        for metric, words in METRICS.items()
    ]
    apart = [f"{said[f'shares_{metric}']} of {words}" for metric, words in METRICS.items()]
    return [
        with_captions(
            set_accuracy(study, table, "unseen_pair"),
            expected="order and retrieval rise with the labels in pairs and not with the layouts",
            observed=", ".join(gains),
            name="diversity",
        ),
        with_captions(
            variance(study, table),
            expected="labels explain more of the variance of each metric than layouts do",
            observed=f"share of labels minus share of layouts {', '.join(apart)}",
        ),
    ]


def emergence(found: Dynamics) -> Result:
    """When order and the gradient appear in training."""
    step, half, late = (found.metrics[n] for n in ("breaking_step", "half_slope_step", "lag"))
    return with_captions(
        found,
        expected="the slope of the head passes half its final value when swap accuracy passes 0.75",
        observed=f"swap accuracy passes 0.75 at step {step.phrase}, the slope half its final "
        f"value at step {half.phrase}, a lag of {late.phrase} ({counted(late.n, 'run')})",
        name="emergence",
    )


def all_runs(made: Made) -> Section:
    """What was trained here: the arms, and the grid of scales as one more."""
    grid, arms = "grid of scales", made.models.study.planned
    words = {name: ARM_WORDS.get(name, name) for name in arms}
    models = made.models.table.assign(arm=made.models.table["arm"].map(words))
    table = pd.concat([models, made.scales.table.assign(arm=grid)], ignore_index=True)
    planned = {words[name]: count for name, count in arms.items()}
    return runs(table, {**planned, grid: sum(made.scales.study.planned.values())})


def reproduction_provenance(made: Made, *, command: str) -> Provenance:
    """Where the numbers come from; the date is the end of the last model."""
    plan = made.plan
    sweeps = {"models": made.models, "scales": made.scales, "diversity": made.diversity}
    studies = {name: one.study for name, one in sweeps.items() if one is not None}
    arms = {words: ARMS[name]["about"] for name, words in ARM_WORDS.items() if name in ARMS}
    changes = ", ".join(f"{name} = {value}" for name, value in dotted(plan.base).items())
    return Provenance(
        checkpoint="Left and right in a dual encoder: what was found, checked by a machine",
        command=command,
        date=last_end(made.models.table, made.scales.table),
        versions=made.models.versions,
        settings={
            "reproduction": {
                "quick": plan.quick,
                "seeds": plan.seeds,
                "commit": plan.commit,
                "criteria_sha256": plan.criteria,
                **dotted(plan.base),
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
            "Two small towers, of a row of pixels and of a caption, learn which caption goes with "
            "which picture. The paper says that they learn left and right, from which training "
            "pictures, and by which part of attention. Each finding is held against a criterion "
            "written before the run.",
            *([f"Changed in all models: {changes}."] if plan.base else []),
            " ".join(f"{words[:1].upper()}{words[1:]}: {about}" for words, about in arms.items()),
        ),
    )
