"""Analyses: each one question, a function of a recording, and a frozen Result.

A new question is one file here, one test file and one line in ANALYSES; CLI and report need no
change. The order of ANALYSES is the order of a report's sections.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from lrinterp.analysis.ablation.term_ablation import TermAblation, some_ablations, term_ablation
from lrinterp.analysis.accuracy import Accuracy, accuracy, some_accuracies
from lrinterp.analysis.answer import Answer, answer
from lrinterp.analysis.attention_terms import AttentionTerms, attention_terms
from lrinterp.analysis.mechanism import Mechanism, mechanism
from lrinterp.analysis.order_bias import OrderBias, order_bias
from lrinterp.analysis.over_picture import OverPicture, over_picture
from lrinterp.analysis.patching.activation_patching import ActivationPatching, activation_patching
from lrinterp.analysis.positional_gradient import (
    PositionalGradient,
    positional_gradient,
    some_gradients,
)
from lrinterp.analysis.procrustes import Procrustes, procrustes
from lrinterp.analysis.relation_geometry import RelationGeometry, relation_geometry
from lrinterp.analysis.similarity_attribution import (
    SimilarityAttribution,
    similarity_attribution,
)
from lrinterp.result import Metric, NotApplicable, Result, Skipped
from lrinterp.run import Run
from lrinterp.store import InputError

__all__ = ["ANALYSES", "Analysis", "analyze", "check_names", "check_numbers", "numbers"]


@dataclass(frozen=True)
class Analysis:
    """A function of a recording, the Result it returns, and the Results it needs first."""

    run: Callable[..., Result]
    result: type[Result]
    some: Callable[[Run, Sequence[str]], Mapping[str, Metric]] = lambda _run, _keys: {}
    """Those numbers among the keys asked for that can be measured without the rest."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of other analyses: the function's keyword parameters that are analyses."""
        return tuple(name for name in inspect.signature(self.run).parameters if name in ANALYSES)


ANALYSES: dict[str, Analysis] = {
    "answer": Analysis(answer, Answer),
    "mechanism": Analysis(mechanism, Mechanism),
    "over_picture": Analysis(over_picture, OverPicture),
    "accuracy": Analysis(accuracy, Accuracy, some_accuracies),
    "attention_terms": Analysis(attention_terms, AttentionTerms),
    "positional_gradient": Analysis(positional_gradient, PositionalGradient, some_gradients),
    "term_ablation": Analysis(term_ablation, TermAblation, some_ablations),
    "activation_patching": Analysis(activation_patching, ActivationPatching),
    "similarity_attribution": Analysis(similarity_attribution, SimilarityAttribution),
    "order_bias": Analysis(order_bias, OrderBias),
    "relation_geometry": Analysis(relation_geometry, RelationGeometry),
    "procrustes": Analysis(procrustes, Procrustes),
}


def analyze(
    recording: Run, only: Iterable[str] | None = None, *, progress: bool | None = None
) -> dict[str, Result]:
    """Run some analyses, or all, on a recording; each is computed once, what it needs first.

    Returns the Results asked for, in the order of ANALYSES. An analysis that the model or the
    examples do not allow is a `Skipped` with its reason. Raises InputError for an unknown name.
    """
    asked = check_names(only)
    done: dict[str, Result] = {}
    order = list(dict.fromkeys(step for name in asked for step in in_order(name)))
    with tqdm(order, unit="analysis", disable=None if progress is None else not progress) as bar:
        for name in bar:
            bar.set_description(name)
            done[name] = run_one(name, recording, done)
    return {name: done[name] for name in ANALYSES if name in asked}


def numbers(recording: Run, asked: Iterable[str], *, strict: bool = True) -> dict[str, Metric]:
    """Some numbers by `analysis.key`, each the one that `analyze` gives.

    A number of an analysis that does not apply has no value. What an analysis can measure without
    its other numbers is measured alone. Raises InputError for an unknown analysis, and for a key
    that the analysis of this model does not have; if not `strict`, such a number has no value.
    """
    names = [name.partition(".")[::2] for name in check_numbers(asked)]
    found: dict[tuple[str, str], Metric] = {}
    for analysis in dict.fromkeys(analysis for analysis, _ in names):
        keys = [key for name, key in names if name == analysis]
        try:
            alone = ANALYSES[analysis].some(recording, keys)
        except NotApplicable:
            alone = dict.fromkeys(keys, Metric(value=None))
        found |= {(analysis, key): one for key, one in alone.items()}
    left = [name for name in names if name not in found]
    results = analyze(recording, {analysis for analysis, _ in left}, progress=False)
    found |= {(one, key): results[one].number(key, strict=strict) for one, key in left}
    return {f"{analysis}.{key}": found[analysis, key] for analysis, key in names}


def check_numbers(asked: Iterable[str]) -> list[str]:
    """The names themselves; InputError for one that is not `analysis.key`.

    Whether the key is known shows when the analysis has run.
    """
    asked = list(asked)
    for name in asked:
        analysis, _, key = name.partition(".")
        if not key or analysis not in ANALYSES:
            expected = "analysis.key, such as accuracy.mixed_pair_order"
            known = ", ".join(ANALYSES)
            raise InputError(f"number {name!r}: expected {expected}; analyses: {known}")
    return asked


def check_names(only: Iterable[str] | None) -> list[str]:
    """The analyses asked for, all for None; an unknown one is an InputError."""
    asked = list(ANALYSES) if only is None else list(only)
    if unknown := [name for name in asked if name not in ANALYSES]:
        raise InputError(f"analysis {unknown[0]!r}: expected one of {', '.join(ANALYSES)}")
    return asked


def in_order(name: str) -> list[str]:
    """An analysis behind everything it needs."""
    return [step for need in ANALYSES[name].needs for step in in_order(need)] + [name]


def run_one(name: str, recording: Run, done: dict[str, Result]) -> Result:
    """One analysis; it is skipped where it does not apply or what it needs was skipped."""
    analysis = ANALYSES[name]
    needs: dict[str, Any] = {need: done[need] for need in analysis.needs}
    missing = (f"it needs {need}, and {one.reason}" for need, one in needs.items() if one.reason)
    reason = next(missing, "")
    try:
        if not reason:
            return analysis.run(recording, **needs)
    except NotApplicable as error:
        reason = str(error)
    return Skipped(skipped=name, asked=analysis.result.question, reason=reason)
