"""The page in a real browser, offline: what is drawn, reachable, sortable and saved."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrinterp.report import write_report
from lrinterp.result import document

pytestmark = pytest.mark.browser

DRAWN = "[...document.querySelectorAll('.plot')].map(p => p.dataset.drawn === 'true')"


@pytest.fixture(scope="module")
def report(fakes: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_report(fakes.results(), fakes.provenance(), folder / "report.html")


@pytest.fixture
def opened(browser: Any, report: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page at a width and in a scheme; every complaint of the browser fails the test."""
    width, scheme = getattr(request, "param", (1600, "light"))
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        offline=True,
        reduced_motion="reduce",
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: complaints.extend([sent.url] * (sent.url != report.as_uri())))
    page.goto(report.as_uri())
    yield page
    complaints += page.evaluate("window.lrinterpErrors")
    context.close()
    assert not complaints


def saved(page: Any, selector: str) -> bytes:
    with page.expect_download() as download:
        page.locator(selector).click()
    return Path(download.value.path()).read_bytes()


def column(page: Any, place: int) -> list[str]:
    return page.locator(f"#mechanism tbody td:nth-child({place})").all_text_contents()


@pytest.mark.parametrize("opened", [(400, "dark"), (1600, "light")], indirect=True)
def test_everything_is_drawn_and_nothing_overflows(opened: Any, scroll_through: Any):
    scroll_through(opened)
    drawn = opened.evaluate(DRAWN)
    assert len(drawn) == 7
    assert all(drawn)
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.locator("#mechanism-map .main-svg").count() > 0
    height = "document.querySelector('#view-heads').getBoundingClientRect().height"
    assert opened.evaluate(height) > 300


HEIGHTS = "[...document.querySelectorAll('.plot:not(.attention)')].map(p => p.clientHeight)"


@pytest.mark.parametrize("opened", [(400, "light"), (1600, "light")], indirect=True)
def test_figures_have_their_room_before_they_are_drawn(opened: Any, scroll_through: Any):
    """So that a link to a section leads there, and nothing moves under the reader."""
    assert not all(opened.evaluate(DRAWN))
    reserved = opened.evaluate(HEIGHTS)
    scroll_through(opened)
    assert opened.evaluate("document.querySelectorAll('.plot.attention').length") == 1
    drawn = opened.evaluate(HEIGHTS)
    assert len(drawn) == len(reserved) - 1  # the attention view has a class when it is drawn
    assert [height for height in reserved if height in drawn][: len(drawn)] == drawn


def test_printing_draws_them_all_in_light_colours(opened: Any):
    opened.locator("#theme").click()
    opened.locator("#theme").click()
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert all(opened.evaluate(DRAWN))
    ink = "document.querySelector('#mechanism-bars').layout.template.layout.font.color"
    assert opened.evaluate(ink) == "#1b1f24"
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.evaluate(ink) == "#e8eaed"


def test_the_theme_has_three_states_and_reaches_figures(opened: Any, scroll_through: Any):
    scroll_through(opened)
    button, states = opened.locator("#theme"), []
    ink = "document.querySelector('#mechanism-lines').layout.template.layout.font.color"
    for _ in range(4):
        states.append((button.text_content(), opened.evaluate(ink)))
        button.click()
    light, dark = "#1b1f24", "#e8eaed"
    names = ["Theme: system", "Theme: light", "Theme: dark", "Theme: system"]
    assert states == list(zip(names, [light, light, dark, light], strict=True))


def test_a_table_opens_sorts_by_keyboard_and_shows_all(opened: Any, fakes: Any):
    expected = fakes.big_table(450)
    opened.locator("#mechanism summary").focus()
    opened.keyboard.press("Enter")
    opened.wait_for_selector("#mechanism tbody tr")
    assert len(column(opened, 1)) == 200
    opened.get_by_text("Show all").click()
    assert column(opened, 1) == expected["head"].tolist()
    heading = opened.locator("#mechanism th").nth(2)
    heading.locator("button").focus()
    opened.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    shown = [float(text.replace("−", "-")) for text in column(opened, 3)[:-1]]
    assert shown == sorted(shown)
    assert column(opened, 3)[-1] == "–"
    opened.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert opened.locator("#mechanism th[aria-sort]").count() == 1


def test_tables_are_saved_as_they_are(opened: Any, fakes: Any):
    csv = saved(opened, "[data-csv=mechanism][data-key=map]")
    expected = fakes.pictures()[0].table
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(csv)), expected, check_dtype=False)
    opened.locator("#mechanism summary").click()
    whole = pd.read_csv(io.BytesIO(saved(opened, "#mechanism .tools button >> text=CSV")))
    pd.testing.assert_frame_equal(whole, fakes.big_table(450), check_dtype=False)


def test_results_and_configuration_are_saved_as_json(opened: Any, fakes: Any):
    whole = document(fakes.results(), fakes.provenance())
    assert json.loads(saved(opened, "[data-json=results]")) == whole
    plain = json.dumps(fakes.provenance().plain(), indent=1) + "\n"
    assert saved(opened, "[data-json=configuration]").decode() == plain


def test_the_contents_mark_the_section_being_read(opened: Any, scroll_through: Any):
    marked = "document.querySelector('nav [aria-current]').getAttribute('href')"
    assert opened.evaluate(marked) == "#answer"
    opened.evaluate("document.querySelector('#view').scrollIntoView()")
    opened.wait_for_selector("nav a[href='#view'][aria-current]")
    assert opened.locator("nav [aria-current]").count() == 1
    scroll_through(opened)
    opened.wait_for_selector("nav a[href='#under-the-hood'][aria-current]")


def test_the_first_tab_reaches_the_skip_link(opened: Any):
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.className") == "skip"
    top = opened.evaluate("document.activeElement.getBoundingClientRect().top")
    assert top >= 0
