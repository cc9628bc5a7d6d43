"""The section of scales: maps, cells set apart, the numbers."""

import pandas as pd
import pytest

from lrinterp.experiment import LoadedSweep
from lrinterp.experiment.table import from_before
from lrinterp.reproduction.design import Design
from lrinterp.reproduction.grids import of_scales
from lrinterp.reproduction.scales import scales


@pytest.fixture(scope="module")
def swept() -> LoadedSweep:
    """Four cells; the one of large W_E and W_pos does not learn order."""
    study = Design(quick=True, seeds=3).studies["scales"]
    rows = []
    for setting in study.settings():
        W_E, W_pos = setting.values.values()
        poor = W_E > 0.1 and W_pos > 0.1
        for seed in study.all_seeds():
            order = 0.7 if poor else 0.95 + 0.001 * (seed - study.first_seed)
            after = {"without_EP_order": 0.5 + W_pos, "without_key_position_order": 0.5}
            place = {"arm": "main", "seed": seed, **setting.values}
            rows.append({**place, "unseen_pair_order": order, **after})
    models, numbers = from_before(pd.DataFrame(rows).assign(model=range(len(rows))))
    return LoadedSweep(name="x", study=study, models=models, numbers=numbers)


def test_numbers_and_cells_apart_are_said(swept: LoadedSweep):
    section = scales(swept)
    assert "W_E 1, W_pos 0.2 (intact 0.70)" in section.caveats[1]
    assert section.metrics["deviation_key_position"].value == 0
    assert section.metrics["contrast_EP"].value == pytest.approx(0.0)
    assert set(section.metrics) == set(of_scales(swept))


def test_the_map_has_a_panel_a_measure(swept: LoadedSweep):
    [figure] = scales(swept).figures()
    assert len(figure.draw().data) == 3
    assert "without EP (raw) 0.52 to 0.70" in figure.how_to_read
    assert len(figure.table) == 12
