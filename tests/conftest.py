"""What all tests share: the number of threads, the real data, and what may be skipped where."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
import torch

CI = os.environ.get("CI") == "true"
ROOT = Path(__file__).resolve().parent.parent

Report = pytest.TestReport | pytest.CollectReport
Wrapper = Generator[None, Report, Report]

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Real pictures and captions: LRINTERP_DATA, else shared/data beside the checkout."""
    root = Path(os.environ.get("LRINTERP_DATA") or ROOT.parent / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"no real data at {root}: set LRINTERP_DATA")
    return root


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot do, and what takes long unless it is asked for."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    asked_for = "slow" in (item.config.getoption("markexpr") or "")
    if item.get_closest_marker("slow") and not (CI or asked_for):
        pytest.skip("takes tens of seconds: set CI=true or pass -m slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Wrapper:
    """Under CI=true a skipped test has failed, unless it needs a GPU."""
    report = yield
    if not item.get_closest_marker("gpu"):
        forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Wrapper:
    """The same for whole files, which a missing requirement skips while they are collected."""
    report = yield
    forbid_skip(report)
    return report


def forbid_skip(report: Report) -> None:
    """Turn a skip into a failure under CI=true; an expected failure stays one."""
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but required where CI=true: {report.longrepr}"
