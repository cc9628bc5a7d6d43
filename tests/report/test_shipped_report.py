"""The report of the shipped checkpoint, made by the command line and opened in a real browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrinterp.analysis import ANALYSES

pytestmark = pytest.mark.browser

LARGEST = 8_000_000
DRAWN = "[...document.querySelectorAll('.plot')].map(p => p.dataset.drawn === 'true')"


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1600, "dark")])
def test_every_figure_is_drawn_offline_without_a_complaint(
    browser: Any, shipped: Path, scroll_through: Callable[[Any], None], width: int, scheme: str
):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: complaints.extend([sent.url] * (sent.url != shipped.as_uri())))
    page.goto(shipped.as_uri())
    scroll_through(page)
    drawn = page.evaluate(DRAWN)
    assert len(drawn) >= 15
    assert all(drawn)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    complaints += page.evaluate("window.lrinterpErrors")
    context.close()
    assert not complaints


def test_the_answer_comes_first_and_the_file_stays_small(browser: Any, shipped: Path):
    page = browser.new_page()
    page.goto(shipped.as_uri())
    sections = page.evaluate("[...document.querySelectorAll('main section')].map(s => s.id)")
    page.close()
    assert [name for name in sections if name in ANALYSES] == list(ANALYSES)
    assert sections[0] == "answer"
    assert shipped.stat().st_size <= LARGEST
