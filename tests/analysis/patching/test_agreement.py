"""Agreement against scipy, over the right cells, and where there is none to speak of."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from lrinterp.analysis.patching.agreement import (
    agreement,
    compared,
    scalars,
    words_of,
)


def table_of(n: int = 40, chosen: str = "all") -> pd.DataFrame:
    rng = np.random.default_rng(0)
    effect = rng.normal(size=n)
    table = pd.DataFrame({"effect": effect, "attribution": 0.5 * effect + 0.1 * rng.normal(size=n)})
    site = np.where(np.arange(n) % 2, "z", "k")
    return table.assign(encoder="image", site=site, chosen=chosen, exact=True, known=False)


def test_numbers_are_those_of_scipy():
    table = table_of()
    rows = agreement(table).set_index("site")
    assert rows["n"].tolist() == [40, 20, 20]
    for site, part in {"all sites": table, "z": table[table["site"] == "z"]}.items():
        x, y = part["effect"], part["attribution"]
        assert rows.loc[site, "pearson"] == pytest.approx(pearsonr(x, y)[0])
        assert rows.loc[site, "spearman"] == pytest.approx(spearmanr(x, y)[0])
        slope = np.linalg.lstsq(x.to_numpy()[:, None], y.to_numpy(), rcond=None)[0][0]
        assert rows.loc[site, "slope"] == pytest.approx(slope)
    summary = scalars(agreement(table))
    assert list(summary) == [f"image_attribution_{k}" for k in ("pearson", "spearman", "slope")]
    assert summary["image_attribution_slope"].n == 40
    assert words_of(agreement(table)).startswith("image tower, 40 cells: r = 0.9")


def test_cells_known_by_construction_or_not_patched_do_not_count():
    table = table_of()
    table.loc[:4, "known"] = True
    table.loc[5:9, "exact"] = False
    table.loc[:9, "attribution"] = 100.0
    assert len(compared(table)) == 30
    kept = agreement(table)
    assert kept["n"].tolist()[0] == 30
    assert kept["slope"].tolist()[0] == pytest.approx(0.5, abs=0.1)


def test_the_sample_and_the_strongest_are_kept_apart():
    table = table_of()
    table.loc[:9, "chosen"] = "strongest"
    table.loc[10:29, "chosen"] = "random"
    table.loc[30:, "chosen"] = "both"
    whole = agreement(table)[lambda rows: rows["site"] == "all sites"].set_index("cells")["n"]
    assert whole.to_dict() == {"random sample": 30, "strongest cells": 20}
    assert {"image_attribution_slope", "image_strongest_attribution_slope"} <= set(
        scalars(agreement(table))
    )


def test_nothing_is_said_where_no_cell_has_both():
    none = agreement(table_of().assign(exact=False))
    assert none.empty
    assert scalars(none) == {}
