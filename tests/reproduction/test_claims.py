"""Claims: as the paper says, everything holds; turned round, it does not; unmeasured, undecided."""

import json

import pandas as pd
import pytest

from lrinterp.reproduction.claim_statistics import CLAIMS, Claim, ClaimPart, Found, by_seed
from lrinterp.reproduction.claims import Claims, hold_against
from lrinterp.result import records
from lrinterp.stats import Interval

GRIDS = {
    **{f"{k}_{m}": v for m in ("order", "retrieval_closed", "retrieval_open")
       for k, v in {"labels": 0.2, "layouts": 0.0, "shares": 0.4}.items()},
    "deviation_key_position": 0.01, "outside_key_position": 0.01, "contrast_EP": 0.4, "lag": 10.0,
}  # fmt: skip


def certain(value: float, n: int = 8) -> Found:
    return Found(interval=Interval(value=value, low=value - 1e-3, high=value + 1e-3, n=n))


@pytest.fixture(scope="module")
def holding(found: dict[str, Found]) -> Claims:
    return hold_against(found | {name: certain(value) for name, value in GRIDS.items()})


def claim(*parts: ClaimPart) -> Claim:
    return Claim(id="x", sentence="X.", paper="y", parts=parts)


def part(name: str, low: float, *, premise: bool = False) -> ClaimPart:
    return ClaimPart(statistic=name, words=name, number="a.b", at_least=low, premise=premise)


def test_what_is_as_claimed_holds(holding: Claims):
    verdicts = dict(holding.verdicts)
    assert verdicts.pop("c4") == "undecided"
    assert set(verdicts.values()) == {"holds"}
    assert list(holding.verdicts) == [claim.id for claim in CLAIMS]


def test_every_statistic_beyond_its_bound_refutes_its_claim(holding: Claims):
    found = {}
    for row in records(holding.table):
        if row["criterion"] != "none" and not row["premise"]:
            least, most = row["at_least"], row["at_most"]
            found[row["statistic"]] = certain(most + 0.1 if least is None else least - 0.1)
    shared = {"order_both_1": certain(0.5), "order_few": certain(0.8)}
    verdicts = dict(hold_against({**found, **shared}).verdicts)
    assert verdicts.pop("c4") == "undecided"
    assert set(verdicts.values()) == {"does not hold"}


def test_what_was_not_run_is_undecided():
    empty = hold_against({})
    assert set(empty.verdicts.values()) == {"undecided"}
    assert set(empty.table["reason"]) == {"not measured"}
    assert empty.section.figures() == ()
    assert [tile.scalar.value for tile in empty.section.tiles()] == [None] * 4


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"a": 1.0, "b": 1.0}, "holds"),
        ({"a": 1.0, "b": -1.0}, "does not hold"),
        ({"a": 1.0}, "undecided"),
        ({"b": -1.0}, "does not hold"),
    ],
)
def test_a_claim_holds_where_all_its_parts_do(values: dict[str, float], verdict: str):
    found = {name: certain(value) for name, value in values.items()}
    claims = hold_against(found, [claim(part("a", 0.0), part("b", 0.0))])
    assert claims.verdicts == {"x": verdict}


@pytest.mark.parametrize("premise", [-1.0, None])
def test_a_premise_that_fails_decides_nothing(premise: float | None):
    found = {"b": certain(-1.0)} | ({} if premise is None else {"a": certain(premise)})
    claims = hold_against(found, [claim(part("a", 0.0, premise=True), part("b", 0.0))])
    assert claims.verdicts == {"x": "undecided"}
    met = hold_against({**found, "a": certain(1.0)}, [claim(part("a", 0.0, premise=True))])
    assert met.verdicts == {"x": "holds"}


def test_a_statistic_without_a_bound_is_reported_and_undecided():
    bare = claim(ClaimPart(statistic="a", words="a", number="a.b"))
    claims = hold_against({"a": certain(0.5)}, [bare])
    row = claims.table.iloc[0]
    assert (row["value"], row["criterion"], row["verdict"]) == (0.5, "none", "undecided")


def test_the_claims_as_json(holding: Claims):
    plain = json.loads(json.dumps(holding.plain(), allow_nan=False))
    assert [one["id"] for one in plain] == [claim.id for claim in CLAIMS]
    first = plain[0]["parts"][0]
    assert first["seeds"]["300"] == holding.seeds["order"][300]
    for one in plain:
        for piece in one["parts"]:
            assert {"value", "low", "high", "n", "criterion", "verdict", "reason"} <= set(piece)


def test_every_claim_has_a_row_and_its_bound_a_shade(holding: Claims):
    section = holding.section
    assert len(section.overview()) == len(CLAIMS)
    [figure] = section.figures()
    shades = [one for one in figure.draw().layout.shapes if one.type != "line"]  # type: ignore[attr-defined]
    assert shades[0].x0 == 0.9


def test_a_few_seeds_that_agree_say_why_they_decide_nothing():
    same = by_seed(pd.Series({1: 0.5, 2: 0.5}))
    claims = hold_against({"a": same}, [claim(part("a", 0.9))])
    row = claims.table.iloc[0]
    assert (row["verdict"], row["reason"]) == (
        "undecided",
        "all 2 seeds agree, and are too few to decide",
    )
    many = by_seed(pd.Series(dict.fromkeys(range(6), 0.5)))
    assert hold_against({"a": many}, [claim(part("a", 0.9))]).verdicts == {"x": "does not hold"}
