"""`lrinterp report`: a page and its verdicts from a folder, or one line that says why not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from lrinterp.experiment import Study, SweepPlan
from lrinterp.store import to_plain

LABELS = "split.n_pair"
CLAIM = {
    "id": "labels", "claim": "Labels help.", "column": "unseen_pair_order",
    "statistic": "contrast", "of": LABELS, "between": [3, 6], "at_least": 0.05,
}  # fmt: skip

Run = Callable[..., tuple[int, str, str]]


def swept(folder: Path, verdicts: list[dict[str, Any]]) -> Path:
    """A finished sweep of two cells and three seeds whose numbers are made up."""
    study = Study(
        title="Do labels help?", seeds=3, grid={"split": {"n_pair": [3, 6]}}, verdicts=verdicts
    )
    rows = [
        {
            "model": 3 * k + seed, "arm": "main", "seed": seed, "stack": 0, LABELS: labels,
            "unseen_pair_order": 0.7 + (0.2 + 0.01 * seed) * k, "error": None, "seconds": 1.5,
            "started": "2026-03-01T10:00:00+00:00", "finished": "2026-03-01T10:30:00+00:00",
            "host": "one", "version.torch": "2.9.0",
        }
        for k, labels in enumerate((3, 6))
        for seed in range(3)
    ]  # fmt: skip
    folder.mkdir()
    plan = SweepPlan(study=to_plain(study), stacks=[list(range(6))])
    (folder / "plan.json").write_text(json.dumps(to_plain(plan)))
    pd.DataFrame(rows).to_parquet(folder / "results.parquet", index=False)
    return folder


def test_a_page_and_one_line_a_verdict(run: Run, tmp_path: Path):
    folder = swept(tmp_path / "labels-study", [CLAIM])
    code, out, err = run("report", folder)
    assert (code, err) == (0, "")
    # differences 0.20, 0.21, 0.22: about 0.21 ± 4.303 x 0.01 / sqrt(2)
    (line,) = [line for line in out.splitlines() if line.startswith("   labels")]
    assert line.split() == "labels 0.21 [0.18, 0.24] ≥ 0.05 holds".split()
    assert "Of 6 models 6 were trained, 0 failed and 0 are missing." in out
    assert f"Report: {folder / 'report.html'}" in out
    html = (folder / "report.html").read_text("utf-8")
    for text in ("Do labels help?", "A study of many models", "lrinterp report labels-study"):
        assert text in html
    assert str(tmp_path) not in html


def test_the_page_depends_on_the_table_alone(run: Run, tmp_path: Path):
    folder = swept(tmp_path / "study", [CLAIM])
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for page in pages:
        assert run("report", folder, "--out", page)[0] == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert not (folder / "report.html").exists()


def test_a_study_without_claims_says_so(run: Run, tmp_path: Path):
    code, out, _ = run("report", swept(tmp_path / "study", []))
    assert code == 0
    assert "No verdicts: the study file states no claims" in out


def test_what_is_no_sweep_is_refused_in_one_line(run, check_refused, tmp_path):
    check_refused(run("report", tmp_path), "no folder of lrinterp sweep")
