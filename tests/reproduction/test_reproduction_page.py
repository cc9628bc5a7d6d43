"""The page of a reproduction: all sections, every claim, the lag of planted ramps."""

from typing import Any

from lrinterp.report import write_report
from lrinterp.reproduction.reproduction_page import (
    lag,
    reproduction_provenance,
    reproduction_results,
)
from lrinterp.reproduction.running import Made


def test_a_finished_folder_makes_a_whole_page(tiny_made: Made, tmp_path: Any):
    results = reproduction_results(tiny_made)
    assert list(results) == [
        "claims", "diversity", "gradients", "ablations", "text_heads", "rotation", "attribution",
        "emergence", "scales", "runs",
    ]  # fmt: skip
    assert results["diversity"].reason
    provenance = reproduction_provenance(tiny_made, command="lrinterp reproduce")
    page = write_report(results, provenance, tmp_path / "page.html").read_text()
    assert results["claims"].frame().query("statistic == 'order'")["n"].tolist() == [2]
    assert all(f'id="{name}"' in page for name in results)
    again = write_report(reproduction_results(tiny_made), provenance, tmp_path / "again.html")
    assert again.read_text() == page


def test_the_lag_of_planted_ramps_is_found():
    """Order passes 0.75 at step 150, |slope| half its end at step 100."""
    rows = [
        {
            "run": f"seed {seed}", "seed": seed, "step": step, "head": 0, "chance": 0.5,
            "unseen_pair_order": min(1.0, 0.5 + max(0, step - 100) / 200),
            "slope": -step / 100, "span": step / 10, "largest_slope": step / 100, "loss": 1.0,
        }
        for seed in (1, 2)
        for step in range(0, 201, 25)
    ]  # fmt: skip
    assert lag(rows).seeds == {1: 50.0, 2: 50.0}
    assert lag([]).interval.value is None
