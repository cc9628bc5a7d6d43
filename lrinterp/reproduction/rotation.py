"""Does one rotation bring the image and text embeddings of labels together?"""

from collections.abc import Mapping

import pandas as pd

from lrinterp.reproduction.measures import Measures
from lrinterp.reproduction.section import Drawing, Section
from lrinterp.reproduction.statistics import Found
from lrinterp.reproduction.tables import named, over_seeds
from lrinterp.result import Metric, records
from lrinterp.stats import COSINE

__all__ = ["rotation"]

KEYS = ("rotation_raw", "rotation_aligned", "rotation_gained")
COSINES = {
    "raw_centred_cosine": "centred, not rotated",
    "aligned_cosine": "rotated",
    "shuffled_mean": "rotated, labels of the fit shuffled",
}
SITES = {"W_E": "token embeddings (W_E)", "value_path": "through the values to the output"}
NUMBERS = tuple(f"procrustes.{site}_{name}" for site in SITES for name in COSINES)


def rotation(measures: Measures, found: Mapping[str, Found]) -> Section:
    """Cosines of held-out labels before and after the rotation, by site."""
    table = cosines(measures)
    numbers = {key: found[key].metric for key in KEYS}
    return Section(
        name="rotation",
        question="Do image and text embed a label alike, up to a rotation?",
        found=(
            "Token embeddings of held-out labels have a cosine of "
            f"{numbers['rotation_raw'].phrase} between the towers as they stand, "
            f"{numbers['rotation_aligned'].phrase} after the rotation fitted on trained labels; "
            f"{numbers['rotation_gained'].phrase} of it is lost where the labels of the fit are "
            "shuffled."
        ),
        notes=(
            "The trained labels fix a rotation in one dimension fewer than they are; the rest is "
            "left out, and what a held-out label has there cannot be aligned. Labels are centred "
            "on the trained ones. The untrained models have the same fit and no reason to align.",
        ),
        numbers=numbers,
        table=table,
        drawings=(drawn(table, measures.sample("procrustes.W_E_aligned_cosine", "held-out label")),)
        if len(table)
        else (),
    )


def cosines(measures: Measures) -> pd.DataFrame:
    """One row for each model, site and cosine."""
    rows = [
        {"arm": arm, "seed": int(str(seed)), "site": site, "cosine": words, "value": value}
        for arm in ("standard", "untrained")
        for key, site in SITES.items()
        for name, words in COSINES.items()
        for seed, value in measures.number(arm, f"procrustes.{key}_{name}").items()
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "site", "cosine", "value"])


def drawn(table: pd.DataFrame, sample: str) -> Drawing:
    labelled = named(table)
    both = labelled.assign(labels=labelled["cosine"] + ", " + labelled["arm"])
    means = over_seeds(both, ["site", "labels"], scale=COSINE)
    own = records(means[means["labels"].str.endswith("standard")])
    return Drawing(
        key="cosines",
        title="Cosine of image and text embedding of a held-out label",
        how_to_read="Each dot is the mean over seeds of the cosine between the two towers, "
        f"averaged over labels, with its 95 % interval ({sample}); "
        "0 is no agreement.",
        expected="near 0 as they stand, clearly more after the rotation, near 0 where labels are "
        "shuffled",
        came=", ".join(f"{Metric.of(r).phrase} ({r['site']}, {r['labels']})" for r in own),
        kind="bars",
        table=means.rename(columns={"value": "mean cosine", "n": "seeds"}),
        options={"x": "mean cosine", "y": "labels", "facet": "site", "mark": "dot"},
        reference=(0.0, "no agreement"),
    )
