import pytest

from lrinterp.scenes.natural import axis_of, opposite_of
from lrinterp.scenes.natural.phrases import OPPOSITES
from lrinterp.scenes.natural.vsr import VSR_RELATIONS

PAIRS = [pair for pairs in OPPOSITES.values() for pair in pairs]


@pytest.mark.parametrize(
    ("phrase", "axis", "opposite"),
    [
        ("left of", "horizontal", "right of"),
        ("To the  Right of", "horizontal", "to the left of"),
        ("at the left side of", "horizontal", "at the right side of"),
        ("above", "vertical", "below"),
        ("under", "vertical", "over"),
        ("on top of", "vertical", "beneath"),
        ("underneath", "vertical", "on top of"),
        ("behind", "depth", "in front of"),
        ("front", "depth", "behind"),
        ("on", "other", None),
        ("eating", "other", None),
    ],
)
def test_axis_and_opposite(phrase: str, axis: str, opposite: str | None):
    assert (axis_of(phrase), opposite_of(phrase)) == (axis, opposite)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_opposite_of_the_opposite_is_the_phrase_itself(pair: tuple[str, str]):
    assert tuple(map(opposite_of, pair)) == pair[::-1]
    assert axis_of(pair[0]) == axis_of(pair[1]) != "other"


def test_no_phrase_stands_in_two_pairs():
    phrases = [phrase for pair in PAIRS for phrase in pair]
    assert len({*phrases}) == len(phrases)


def test_what_vsr_has_on_each_axis():
    on = {axis: [r for r in VSR_RELATIONS if axis_of(r) == axis] for axis in OPPOSITES}
    sides = ["at the left side of", "at the right side of", "left of", "right of"]
    assert on["horizontal"] == sides
    assert on["vertical"] == ["above", "below", "beneath", "on top of", "over", "under"]
    assert on["depth"] == ["ahead of", "behind", "in front of"]
