"""The sections of a study's page, in their order, from its table of models."""

from collections.abc import Callable, Mapping

import pandas as pd

from lrinterp.experiment.bookkeeping import runs
from lrinterp.experiment.by_set import set_accuracy
from lrinterp.experiment.design import Study, dotted
from lrinterp.experiment.mechanism import Mechanism, mechanism
from lrinterp.experiment.numbers import SETS
from lrinterp.experiment.variance import Variance, variance
from lrinterp.experiment.verdicts import Verdicts, verdicts
from lrinterp.result import NotApplicable, Provenance, Result, Skipped

__all__ = ["study_provenance", "study_results"]


def study_results(study: Study, table: pd.DataFrame) -> dict[str, Result]:
    """All sections by name: verdicts, a section a set of pictures, variance, mechanism, runs.

    A section that the table does not allow is `Skipped` with the reason.
    """
    return {
        "verdicts": _or_skipped(verdicts, study, table, (Verdicts.name, Verdicts.question)),
        **{name: _of_set(study, table, name) for name in SETS},
        "variance": _or_skipped(variance, study, table, (Variance.name, Variance.question)),
        "mechanism": _or_skipped(mechanism, study, table, (Mechanism.name, Mechanism.question)),
        "runs": runs(study, table),
    }


def _of_set(study: Study, table: pd.DataFrame, pictures: str) -> Result:
    def make(study: Study, table: pd.DataFrame) -> Result:
        return set_accuracy(study, table, pictures)

    asked = f"How well do the models do on {SETS[pictures]}?"
    return _or_skipped(make, study, table, (pictures, asked))


def _or_skipped(
    make: Callable[[Study, pd.DataFrame], Result],
    study: Study,
    table: pd.DataFrame,
    named: tuple[str, str],
) -> Result:
    try:
        return make(study, table)
    except NotApplicable as error:
        return Skipped(skipped=named[0], asked=named[1], reason=str(error))


def study_provenance(
    study: Study, table: pd.DataFrame, *, versions: Mapping[str, str], command: str
) -> Provenance:
    """Where a study's results come from; its date is the end of the last model."""
    ended = table["finished"].dropna() if "finished" in table else pd.Series(dtype=object)
    arms = {f"arm_{name}": study.changes(name) for name in study.arms}
    return Provenance(
        checkpoint=study.title,
        command=command,
        date=str(ended.max()) if len(ended) else "",
        versions=versions,
        settings={
            "design": {"seeds": study.seeds, "first_seed": study.first_seed, "stack": study.stack},
            "grid": study.factors,
            **{f"base_{name}": fields for name, fields in study.base.items()},
            **{name: dotted(tree) for name, tree in arms.items() if tree},
        },
        kicker="A study of many models",
        about=tuple(_paragraphs(study)),
    )


def _paragraphs(study: Study) -> list[str]:
    arms = [f"Arm {name}: {about}" for name in study.arm_names if (about := study.about_arm(name))]
    return [text for text in (study.about, *arms) if text]
