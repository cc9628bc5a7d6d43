"""Criteria: every id that was asked for is there, and every statistic can be computed."""

from lrinterp.reproduction.criteria import CLAIMS
from lrinterp.reproduction.grids import of_diversity
from lrinterp.reproduction.statistics import OF_MODELS

GRID = "deviation_key_position outside_key_position contrast_EP".split()
ASKED = "c1 c4 c5 c6 c7 c8a c8b c9 c10 c11 c15 o1 o2 o3 o4".split()


def test_all_claims_are_there_once():
    ids = [claim.id for claim in CLAIMS]
    assert len(ids) == len(set(ids))
    diversity = [f"{c}-{m}" for c in ("c2", "c3") for m in ("order", "retrieval-closed")]
    assert {*ASKED, *diversity, "c2-retrieval-open", "c3-retrieval-open"} == set(ids)


def test_every_statistic_is_known():
    known = {*OF_MODELS, *of_diversity(None), *GRID, "lag"}
    assert {part.statistic for claim in CLAIMS for part in claim.parts} == known


def test_every_claim_but_one_can_be_refuted():
    bare = [c.id for c in CLAIMS if all(p.bound is None or p.premise for p in c.parts)]
    assert bare == ["c4"]
