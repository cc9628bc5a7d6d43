"""How far attribution patching agrees with exact patching, over the cells that had both."""

import pandas as pd

from lrinterp.result import Metric, records
from lrinterp.stats import FEWEST, agreement_of

__all__ = ["NUMBERS", "RANDOM", "STRONGEST", "agreement", "compared", "scalars", "words_of"]

EVERY, RANDOM, STRONGEST = "every cell", "random sample", "strongest cells"
SAMPLES = {EVERY: ("all",), RANDOM: ("random", "both"), STRONGEST: ("strongest", "both")}
"""What stands in the column `chosen` of the cells of each sample."""
IN_WORDS = {EVERY: "cells", RANDOM: "randomly drawn cells", STRONGEST: "strongest cells"}
ANY_SITE = "all sites"
NUMBERS = {"pearson": "correlation", "spearman": "correlation", "slope": "slope"}
"""What is computed, and what kind of number it is."""


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with both numbers, without those whose effect is known by construction."""
    return table[table["exact"] & ~table["known"]]


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """Pearson's r, Spearman's rho and slope by tower, sample and site; n counts cells.

    Both directions count. The slope is that of attribution on effect through the origin:
    1 means that attribution is as large as the effect.
    """
    both, rows = compared(table), []
    for encoder in dict.fromkeys(table["encoder"]):
        for sample, chosen in SAMPLES.items():
            part = both[(both["encoder"] == encoder) & both["chosen"].isin(chosen)]
            for site, own in [(ANY_SITE, part), *part.groupby("site", sort=False)]:
                if len(own) >= (1 if site == ANY_SITE else FEWEST):
                    numbers = agreement_of(own["effect"].to_numpy(), own["attribution"].to_numpy())
                    rows.append({"encoder": encoder, "cells": sample, "site": site, **numbers})
    return pd.DataFrame(rows, columns=["encoder", "cells", "site", *NUMBERS, "n"])


def scalars(rows: pd.DataFrame) -> dict[str, Metric]:
    """Summary entries of `agreement`, over all sites; those of the strongest cells say so."""
    found = {}
    for row in records(rows[rows["site"] == ANY_SITE]):
        kind = "strongest_" if row["cells"] == STRONGEST else ""
        for name, estimator in NUMBERS.items():
            number = Metric(value=row[name], n=row["n"], estimator=estimator)
            found[f"{row['encoder']}_{kind}attribution_{name}"] = number
    return found


def words_of(rows: pd.DataFrame) -> str:
    """One sentence on the agreement of every tower."""
    parts = []
    for row in records(rows[rows["site"] == ANY_SITE]):
        r, rho, slope = (Metric(value=row[name]) for name in NUMBERS)
        where = f"{row['encoder']} tower, {row['n']} {IN_WORDS[row['cells']]}"
        parts.append(f"{where}: r = {r}, rho = {rho}, slope {slope}")
    return "; ".join(parts)
