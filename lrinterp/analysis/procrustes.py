"""Do image and text embed a label alike, up to a rotation?"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import pandas as pd

from lrinterp.analysis.procrustes_rotation import (
    BOTH,
    SHUFFLES,
    Labels,
    label_vectors,
)
from lrinterp.analysis.subject import HELD_OUT, TRAINED, label_groups
from lrinterp.charts import bars, heatmap
from lrinterp.result import Figure, Metric, NotApplicable, Result, records
from lrinterp.run import Run
from lrinterp.scenes.natural import PICTURES
from lrinterp.wording import counted, signed

__all__ = ["Procrustes", "procrustes"]

FEWEST = 3
"""Labels that a rotation is fitted on, at least."""
SUMMARY = "raw_centred_cosine aligned_cosine shuffled_mean shuffled_high span_share p".split()


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Procrustes(Result):
    """Cosines of picture and word by label, before and after a rotation fitted on other labels."""

    name: ClassVar[str] = "procrustes"
    question: ClassVar[str] = "Do image and text embed a label alike, up to a rotation?"

    table: pd.DataFrame
    """One row for each site, direction and label."""
    means: pd.DataFrame
    """Means over held-out labels by site and direction, with the null of shuffled labels."""
    left_out: str | None
    """Why there is no value path, or None where there is."""

    @cached_property
    def both(self) -> Mapping[str, Mapping[str, Any]]:
        """By site: the means over both directions."""
        return {row["site"]: row for row in records(self.means[self.means["direction"] == BOTH])}

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Cosine of held-out labels not rotated, rotated, and with the fit's labels shuffled."""
        return {
            f"{site.replace(' ', '_')}_{key}": Metric.of(row, key, estimator="alignment")
            for site, row in self.both.items()
            for key in SUMMARY
        }

    @cached_property
    def more(self) -> Mapping[str, Metric]:
        """By site: the mean cosine of held-out labels in the raw weights, not centred."""
        held = self.table[self.table["group"] == HELD_OUT].groupby("site", sort=False)["raw_cosine"]
        return {
            f"{str(site).replace(' ', '_')}_raw_cosine": Metric(value=value, estimator="alignment")
            for site, value in held.mean().items()
        }

    @property
    def finding(self) -> str:
        """Each site: as it stands, rotated, the most that the span allows, and the null."""
        first, *more = self.both.values()
        lead = (
            f"A rotation fitted on {counted(first['n_fit'], 'trained label')} takes the cosine "
            f"between picture and word of {counted(first['n'], 'held-out label')} "
            f"{in_words(first)} in the token embeddings (W_E)."
        )
        rest = [f"Through the values to the output it goes {in_words(row)}." for row in more]
        return " ".join([lead, *rest])

    @property
    def caveats(self) -> tuple[str, ...]:
        """Few points in many dimensions, the fit itself, centring, exactness, and the sites."""
        row = self.both["W_E"]
        return (
            f"{counted(row['n_fit'], 'label')} fix a rotation in {row['rank']} of {row['width']} "
            "dimensions. The others are left out: what a held-out label has off this span cannot "
            "be aligned, and the ceiling is what a perfect rotation within it would reach. "
            "The completed rotation is a full one, arbitrary off the span.",
            "The labels of the fit are always aligned (here "
            f"{two_decimals(row['fitted_cosine'])}); only held-out labels are evidence.",
            "The mean of the trained labels is taken out of each tower first, and with it any "
            "vector that all labels share; only raw_cosine is of the rows as they are, and it "
            "changes when a vector moves between token and position embeddings.",
            "All numbers depend on weights alone and have no interval; n counts labels. The null "
            f"shuffles the labels of the fit {SHUFFLES} times, so p is at least "
            f"{1 / (SHUFFLES + 1):.2g}.",
            ALL_HEADS if self.left_out is None else f"The value path is left out: {self.left_out}.",
        )

    def figures(self) -> tuple[Figure, ...]:
        """Means beside their controls, and held-out labels one by one."""
        return (means_figure(self.means), labels_figure(self.table))


ALL_HEADS = (
    "On the value path all heads count alike; in a picture each counts by what it attends to, and "
    "positions, biases and other tokens add to the output."
)
SITE_WORDS = {"W_E": "token embeddings (W_E)", "value path": "value path to the output"}
COMPARED = {
    "raw_centred_cosine": "held-out labels, not rotated",
    "aligned_cosine": "held-out labels, rotated",
    "ceiling": "the most that the span allows",
    "completed_cosine": "held-out, rotation completed arbitrarily",
    "fitted_cosine": "labels of the fit, rotated",
    "shuffled_mean": "held-out labels, shuffled fit",
}


def two_decimals(value: float | None) -> str:
    """A cosine or a p value in a sentence."""
    return "–" if value is None else signed(value, 2)


def in_words(row: Mapping[str, Any]) -> str:
    """The means of a site as they stand in a sentence."""
    names = ("raw_centred_cosine", "aligned_cosine", "ceiling", "shuffled_mean", "shuffled_high")
    raw, aligned, ceiling, null, high = (two_decimals(row[name]) for name in names)
    return (
        f"from {raw} to {aligned} (at most {ceiling} within its span; with shuffled labels {null}, "
        f"95 % under {high}, p = {two_decimals(row['p'])})"
    )


def means_figure(means: pd.DataFrame) -> Figure:
    """Mean cosines by site: the rotation, its bounds and its null."""
    long = means[means["direction"] == BOTH].melt(
        ["site", "shuffled_low", "shuffled_high"], list(COMPARED), "compared", "mean cosine"
    )
    null = long["compared"] == "shuffled_mean"
    table = pd.DataFrame(
        {
            "compared": long["compared"].map(COMPARED),
            "mean cosine": long["mean cosine"],
            "site": long["site"].map(SITE_WORDS),
            "low": long["shuffled_low"].where(null),
            "high": long["shuffled_high"].where(null),
        }
    )
    return Figure(
        key="means",
        title="Picture and word of a label: mean cosine before and after a rotation",
        how_to_read="Each bar is a mean cosine over labels and both directions, between −1 and 1; "
        "a rotation that does not generalise to new labels reaches no further than the last bar, "
        f"whose whisker holds the middle 90 % of {SHUFFLES} fits with shuffled labels.",
        plot=bars(
            table, x="mean cosine", y="compared", facet="site", highlight=COMPARED["aligned_cosine"]
        ),
        table=table,
    )


def labels_figure(table: pd.DataFrame) -> Figure:
    """Cosines of each held-out label."""
    names = {"raw_centred_cosine": "before", "aligned_cosine": "after", "ceiling": "at most"}
    held = table[table["group"] == HELD_OUT].assign(site=table["site"].map(SITE_WORDS))
    long = (
        held.rename(columns=names)
        .groupby(["site", "label"], sort=False)[[*names.values()]]
        .mean()
        .reset_index()
        .melt(["site", "label"], var_name="rotation", value_name="cosine")
    )
    return Figure(
        key="labels",
        title="Held-out labels one by one",
        how_to_read="Each cell is the cosine of one label's vectors in the two towers, mean over "
        "both directions: before the rotation, after it, and the most that one within the span can "
        "reach; labels that have nothing in common read about 0.",
        plot=heatmap(long, x="rotation", y="label", z="cosine", facet="site", ends=(-1.0, 1.0)),
        table=long,
    )


def procrustes(recording: Run, *, seed: int = 0) -> Procrustes:
    """Rotate the label vectors of one tower onto the other's; test the rotation on other labels.

    With A, B (label x d) centred on the trained labels and A_fit^T B_fit = U S V^T, the rotation
    is the partial isometry R = U_r V_r^T of rank r <= n_fit - 1. Of a held-out label:
    aligned = cos(A R, B), backwards cos(B R^T, A); span_share = |A R|^2 / |A|^2; ceiling = square
    root of the target's share. Null: labels of the fit shuffled, never the identity.

    Sites: `rotation.label_vectors`. Source: arXiv 2601.12809; Schönemann, "A generalized solution
    of the orthogonal Procrustes problem" (Psychometrika 1966). Raises NotApplicable for fewer than
    three trained labels, for none held out, and where `label_vectors` does.
    """
    examples = recording.examples
    if PICTURES in examples.image_set:
        raise NotApplicable("pictures of a suite are not divided into trained and held-out labels")
    groups = label_groups(examples)
    if (n := groups.count(TRAINED)) < FEWEST:
        raise NotApplicable(f"a rotation needs {FEWEST} labels or more in trained pairs, got {n}")
    if HELD_OUT not in groups:
        raise NotApplicable("no label is held out of the trained pairs, to test a rotation on")
    vectors, left_out = label_vectors(recording.model.towers, examples)
    labels = {site: Labels(*rows, groups=groups) for site, rows in vectors.items()}
    tables = {site: one.table(examples.label_words) for site, one in labels.items()}
    means = {site: one.means(tables[site], seed) for site, one in labels.items()}
    table, mean = (
        pd.concat(parts, names=["site"]).droplevel(1).reset_index() for parts in (tables, means)
    )
    return Procrustes(table=table, means=mean, left_out=left_out)
