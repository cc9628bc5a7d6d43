"""The report of the shipped checkpoint, made by the command line and opened in a real browser."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrinterp.analysis import ANALYSES
from lrinterp.cli import main

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
LARGEST = 8_000_000
DRAWN = "[...document.querySelectorAll('.plot')].map(p => p.dataset.drawn === 'true')"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shipped")
    report, numbers = folder / "report.html", folder / "results.json"
    command = ["analyze", str(ROOT / "checkpoints/left-right"), "--out", str(report)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lrinterp", *command, "--json", str(numbers)])
        with pytest.raises(SystemExit) as stop:
            main()
    assert not stop.value.code
    return report


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_is_drawn_offline_without_a_complaint(
    browser: Any, written: Path, scroll_through: Callable[[Any], None], width: int, scheme: str
):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: complaints.extend([sent.url] * (sent.url != written.as_uri())))
    page.goto(written.as_uri())
    scroll_through(page)
    drawn = page.evaluate(DRAWN)
    assert len(drawn) >= 15
    assert all(drawn)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    complaints += page.evaluate("window.lrinterpErrors")
    context.close()
    assert not complaints


def test_the_answer_comes_first_and_the_file_stays_small(browser: Any, written: Path):
    page = browser.new_page()
    page.goto(written.as_uri())
    sections = page.evaluate("[...document.querySelectorAll('main section')].map(s => s.id)")
    page.close()
    assert [name for name in sections if name in ANALYSES] == list(ANALYSES)
    assert sections[0] == "answer"
    assert written.stat().st_size <= LARGEST


def test_the_numbers_are_strict_json(written: Path):
    def refuse(name: str) -> None:
        raise AssertionError(name)

    text = written.with_name("results.json").read_text()
    data = json.loads(text, parse_constant=refuse)
    assert list(data["results"]) == list(ANALYSES)
    assert data["results"]["answer"]["summary"]["unseen_pair_order"]["value"] >= 0.9
