import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrinterp.report import page
from lrinterp.result import Check, Metric, Result, Skipped, Tile, document


class Page(HTMLParser):
    """The page as a browser splits it: scripts, data blocks, attributes, visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.blocks: dict[str, str] = {}
        self.text = ""
        self.open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = ""
        if tag == "script" and (id_ := self.tags[-1][1].get("id")):
            self.blocks[id_] = self.scripts.pop()

    def handle_data(self, data: str) -> None:
        if self.open == "script":
            self.scripts[-1] += data
        elif self.open != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def data(self, name: str) -> dict[str, Any]:
        return json.loads(self.blocks[name], parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def html(fakes: Any) -> str:
    return page(fakes.results(), fakes.provenance())


@pytest.fixture(scope="module")
def parsed(html: str) -> Page:
    return Page(html)


def hostile_results(fakes: Any) -> dict[str, Result]:
    scalar = Metric(value=fakes.HOSTILE, n=1)
    pictures = (*fakes.pictures(fakes.HOSTILE), fakes.attention(fakes.HOSTILE))
    table = pd.DataFrame({fakes.HOSTILE: [fakes.HOSTILE], "value": [1.0]})
    titled = fakes.figure(fakes.HOSTILE, pictures[0].plot, table, words=fakes.HOSTILE)
    tile = Tile(label=fakes.HOSTILE, scalar=scalar, words=fakes.HOSTILE)
    shared = {
        "words": fakes.HOSTILE,
        "table": table,
        "numbers": {fakes.HOSTILE: scalar},
        "short": table,
    }
    return {
        "answer": fakes.Fake(large=(tile,), **shared),
        fakes.HOSTILE: fakes.Fake(pictures=(*pictures, titled), **shared),
        "no": Skipped(skipped="no", asked=fakes.HOSTILE, reason=fakes.HOSTILE),
    }


def test_the_same_results_give_the_same_bytes(html: str, fakes: Any):
    assert page(fakes.results(), fakes.provenance()) == html


def test_the_policy_admits_these_scripts_and_nothing_else(parsed: Page):
    (policy,) = (m["content"] for m in parsed.all("meta") if "http-equiv" in m)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    digests = [hashlib.sha256(script.encode()).digest() for script in parsed.scripts]
    hashes = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == hashes
    assert len(parsed.scripts) == 3
    assert sum("plotly.js v" in script[:200] for script in parsed.scripts) == 1
    assert sum("var CircuitsVis" in script[:500] for script in parsed.scripts) == 1
    assert "http" not in policy


def test_a_script_stands_only_where_a_figure_needs_it(fakes: Any):
    bare = replace(fakes.provenance(), curves=None)
    assert len(page({"a": fakes.Fake()}, bare)) < 100_000
    only_attention = Page(page({"a": fakes.Fake(pictures=(fakes.attention(),))}, bare))
    assert len(only_attention.scripts) == 2
    assert not Page(page({}, bare)).all("table")


def test_nothing_is_fetched_and_the_page_stays_within_its_size(parsed: Page, html: str):
    assert len(html.encode()) < 6_600_000
    for tag, attributes in parsed.tags:
        links = [attributes[name] for name in ("src", "href") if name in attributes]
        assert all((link or "").startswith("#") for link in links), (tag, links)


def test_hostile_text_stays_text_in_every_slot(fakes: Any):
    parsed = Page(page(hostile_results(fakes), fakes.provenance(fakes.HOSTILE)))
    assert not parsed.all("img")
    assert len(parsed.scripts) == 3
    assert not [name for _, attributes in parsed.tags for name in attributes if name[:2] == "on"]
    # Questions, findings, caveats, tiles, summaries, titles, readings, settings, versions ...
    assert parsed.text.count(fakes.HOSTILE) >= 15
    block = parsed.data(f"{fakes.HOSTILE}--data")
    assert block["figures"]["heads"]["props"]["tokens"][1] == fakes.HOSTILE
    assert block["table"][0] == {"name": fakes.HOSTILE, "values": [fakes.HOSTILE]}
    drawn = json.dumps({key: block["figures"][key] for key in ("map", "lines", "bars", "scatter")})
    assert "&lt;img" in drawn


def test_data_blocks_are_strict_json_without_an_angle_bracket(parsed: Page):
    assert len(parsed.blocks) == 6
    for name, text in parsed.blocks.items():
        assert "<" not in text
        assert parsed.data(name)


def test_floats_are_exact_and_their_gaps_survive(parsed: Page, fakes: Any):
    expected = fakes.big_table(450)
    columns = {column["name"]: column for column in parsed.data("mechanism--data")["table"]}
    floats = np.frombuffer(base64.b64decode(columns["value"]["f8"]), "<f8")
    np.testing.assert_array_equal(floats, expected["value"])
    assert columns["position"]["values"] == expected["position"].tolist()


def test_the_document_is_complete_but_for_its_tables(parsed: Page, fakes: Any):
    whole = document(fakes.results(), fakes.provenance())
    for entry in whole["results"].values():
        entry["table"] = []
    assert parsed.data("page-data")["document"] == whole
    configuration = json.loads(parsed.data("page-data")["configuration"])
    assert configuration == fakes.provenance().plain()


def test_self_checks_are_folded_and_say_in_words_whether_they_passed(fakes: Any):
    made = {key: {"key": key, "what": fakes.HOSTILE, "bound": 0.5} for key in "ab"}
    checks = (Check(**made["a"], value=0.25), Check(**made["b"], value=math.nan))
    checked = Page(page({"fake": fakes.Fake(tested=checks)}, fakes.provenance()))
    assert f"{fakes.HOSTILE}: 0.25, at most 0.5: passed" in checked.text
    assert f"{fakes.HOSTILE}: nan, at most 0.5: failed" in checked.text
    assert {"class": "checks"} in checked.all("details")
    assert {"class": "checks"} not in Page(page({}, fakes.provenance())).all("details")
    entry = checked.data("page-data")["document"]["results"]["fake"]
    assert entry["checks"] == [check.plain() for check in checks]


def test_there_is_one_heading_and_a_contents_of_all_sections(parsed: Page):
    assert len(parsed.all("h1")) == 1
    sections = [section["id"] for section in parsed.all("section")]
    assert sections == ["answer", "mechanism", "view", "patching", "under-the-hood"]
    links = [link["href"] for link in parsed.all("a")[1:]]
    assert links == [f"#{section}" for section in sections]
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert "mechanism-map" in ids


def test_a_skipped_result_is_a_heading_and_one_line(html: str):
    section = re.search(r'<section id="patching".*?</section>', html, re.DOTALL)
    assert section is not None
    assert re.findall(r"<(\w+)", section[0]) == ["section", "h2", "p"]
    assert "Does not apply: there is one layer." in section[0]


def test_a_short_table_stands_open_in_a_head_and_in_a_section(fakes: Any):
    short = pd.DataFrame({"Claim": ["labels help"], "Verdict": ["holds <b>now</b>"]})
    tile = Tile(label="Order", scalar=Metric(value=1.0), words="good")
    for result in (fakes.Fake(short=short), fakes.Fake(short=short, large=(tile,))):
        parsed = Page(page({"a": result}, fakes.provenance()))
        assert len(parsed.all("table")) == 1
        assert [cell["data-label"] for cell in parsed.all("td")] == ["Claim", "Verdict"]
        assert "labels help" in parsed.text
        assert "holds <b>now</b>" in parsed.text
    assert not Page(page({"a": fakes.Fake()}, fakes.provenance())).all("table")
