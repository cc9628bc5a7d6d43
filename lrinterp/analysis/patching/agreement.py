"""How far attribution patching agrees with exact patching, over the cells that had both."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from lrinterp.result import Metric, finite_or_none
from lrinterp.stats import FEWEST, agreement_of

__all__ = ["RANDOM", "STRONGEST", "agreement", "compared", "scalars", "words_of"]

EVERY, RANDOM, STRONGEST = "every cell", "random sample", "strongest cells"
SAMPLES = {EVERY: ("all",), RANDOM: ("random", "both"), STRONGEST: ("strongest", "both")}
"""What stands in the column `chosen` of the cells of each sample."""
ANY_SITE = "all sites"
COLUMNS = ["encoder", "cells", "site", "pearson", "spearman", "slope", "n"]


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with both numbers, without those whose effect is known by construction."""
    return table[table["exact"] & ~table["known"]]


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Pearson's r, Spearman's rho and slope by tower, sample and site; n counts cells.

    Both directions count. The slope is that of attribution on effect through the origin:
    1 means that attribution is as large as the effect.
    """
    both = compared(table)
    rows = []
    for encoder in dict.fromkeys(table["encoder"]):
        for sample, chosen in SAMPLES.items():
            part = both[(both["encoder"] == encoder) & both["chosen"].isin(chosen)]
            if len(part):
                rows += list(by_site(encoder, sample, part))
    return pd.DataFrame(rows, columns=COLUMNS)


def by_site(encoder: str, sample: str, part: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of one tower and sample: over all sites, then each site that has enough cells."""
    sites = {ANY_SITE: part} | {site: part[part["site"] == site] for site in part["site"].unique()}
    for site, rows in sites.items():
        if site == ANY_SITE or len(rows) >= FEWEST:
            numbers = agreement_of(rows["effect"].to_numpy(float), rows["attribution"].to_numpy())
            yield {"encoder": encoder, "cells": sample, "site": site, **numbers}


def scalars(rows: pd.DataFrame) -> dict[str, Metric]:
    """Summary entries of `agreement`, over all sites; those of the strongest cells say so."""
    found = {}
    for row in rows[rows["site"] == ANY_SITE].to_dict("records"):
        kind = "strongest_" if row["cells"] == STRONGEST else ""
        for name in ("pearson", "spearman", "slope"):
            value = finite_or_none(row[name])
            key = f"{row['encoder']}_{kind}attribution_{name}"
            estimator = name if name == "slope" else "correlation"
            found[key] = Metric(value=value, n=int(row["n"]), estimator=estimator)
    return found


def words_of(rows: pd.DataFrame) -> str:
    """One sentence on the agreement of every tower."""
    parts = []
    for row in rows[rows["site"] == ANY_SITE].to_dict("records"):
        numbers = {
            k: Metric(value=finite_or_none(row[k])) for k in ("pearson", "spearman", "slope")
        }
        where = {EVERY: "cells", RANDOM: "randomly drawn cells", STRONGEST: "strongest cells"}
        parts.append(
            f"{row['encoder']} tower, {int(row['n'])} {where[row['cells']]}: r = "
            f"{numbers['pearson']}, rho = {numbers['spearman']}, slope {numbers['slope']}"
        )
    return "; ".join(parts)
