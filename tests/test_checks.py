"""A check passes within its bound and says so in words."""

import json
import math

import pytest

from lrinterp.checks import Check


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "passed"), (0.5, "passed"), (0.6, "failed"), (math.nan, "failed"), (math.inf, "failed")],
)
def test_an_error_passes_up_to_its_bound(value: float, said: str):
    passes = said == "passed"
    check = Check(key="sum", what="parts minus whole", value=value, bound=0.5)
    assert check.passes is passes
    assert str(check).startswith("parts minus whole: ")
    assert str(check).endswith(said)
    plain = check.plain()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert (plain["key"], plain["bound"], plain["passes"]) == ("sum", 0.5, passes)
    assert plain["value"] == (value if math.isfinite(value) else None)
