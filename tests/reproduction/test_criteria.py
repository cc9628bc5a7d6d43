"""Criteria: every id that was asked for is there, and every statistic can be computed."""

from pathlib import Path

import pytest

from lrinterp.analysis import check_numbers
from lrinterp.reproduction.criteria import CLAIMS, read_claims
from lrinterp.reproduction.grids import of_diversity
from lrinterp.reproduction.statistics import PARTS, numbers_of
from lrinterp.store import InputError

CLAIM = "[[claims]]\nid = 'a'\nsentence = 's'\npaper = 'p'\n"
PART = "[[claims.parts]]\nstatistic = 's'\nwords = 'w'\n"
GRID = "deviation_key_position outside_key_position contrast_EP".split()
ASKED = "c1 c4 c5 c6 c7 c8a c8b c9 c10 c11 c15 o1 o2 o3 o4".split()


def test_all_claims_are_there_once():
    ids = [claim.id for claim in CLAIMS]
    assert len(ids) == len(set(ids))
    diversity = [f"{c}-{m}" for c in ("c2", "c3") for m in ("order", "retrieval-closed")]
    assert {*ASKED, *diversity, "c2-retrieval-open", "c3-retrieval-open"} == set(ids)


def test_every_statistic_is_known():
    known = {*PARTS, *of_diversity(None), *GRID, "lag"}
    assert {part.statistic for claim in CLAIMS for part in claim.parts} == known


def test_every_claim_but_one_can_be_refuted():
    bare = [c.id for c in CLAIMS if all(p.bound is None or p.premise for p in c.parts)]
    assert bare == ["c4"]


def test_every_number_is_one_of_an_analysis():
    assert set(check_numbers(numbers_of())) == {
        name for part in PARTS.values() for name in (part.number, part.minus) if name
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("claims = 3", "expected a list of claims"),
        ("[[claims]]\nid = 'a'", "claims[1]"),
        (CLAIM + "[[claims.parts]]\nstatistic = 's'\nwords = 'w'", "number: expected analysis.key"),
        (CLAIM + "[[claims.parts]]\nstatistic = 's'\nodd = 1", "odd"),
        (CLAIM + PART + "source = 'x'", "source"),
        (CLAIM + PART + "number = 'a.b'\nat_least = inf", "expected a finite bound"),
    ],
)
def test_a_claim_that_cannot_be_is_refused(tmp_path: Path, text: str, words: str):
    file = tmp_path / "claims.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_claims(file)
    assert words in str(caught.value)
