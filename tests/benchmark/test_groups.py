import pytest

from lrinterp.benchmark.groups import SIZES, Groups


def test_a_group_comes_with_its_last_row():
    groups = Groups(2)
    assert groups.add("a", 0.5, 0.25, "cat") is None
    assert groups.add("b", 1.0, 0.25, "dog") is None
    whole = groups.add("a", 0.5, 0.25, "cow")
    assert whole is not None
    assert (whole.n, whole.credit, whole.chance, whole.cluster) == (2, 0.25, 1 / 16, "cat")
    assert groups.incomplete == 1


@pytest.mark.parametrize(("kind", "expected"), [("pair", 1 / 16), ("set", 1 / 256)])
def test_ties_between_four_captions_multiply_to_chance(kind: str, expected: float):
    groups = Groups(SIZES[kind])
    *_, whole = [groups.add("a", 0.25, 0.25, "cat") for _ in range(SIZES[kind])]
    assert whole is not None
    assert whole.credit == whole.chance == expected


def test_a_group_of_no_known_size_waits_for_the_end():
    groups = Groups(None)
    for key, credit in (("a", 1.0), ("a", 1.0), ("b", 1.0), ("a", 0.0), ("c", 1.0), ("c", 0.5)):
        assert groups.add(key, credit, 0.5, "cat") is None
    assert groups.incomplete == 1
    found = [(whole.n, whole.credit, whole.chance) for whole in groups.close()]
    assert found == [(3, 0.0, 1 / 8), (2, 0.5, 1 / 4)]
    assert (groups.close(), groups.incomplete) == ([], 1)  # b is a row alone


def test_a_group_of_known_size_that_lacks_rows_is_not_handed_out():
    groups = Groups(4)
    for _ in range(3):
        groups.add("a", 1.0, 0.5, "cat")
    assert (groups.close(), groups.incomplete) == ([], 1)


def test_complete_groups_are_not_held():
    groups = Groups(2)
    for k in range(1000):
        groups.add(str(k), 1.0, 0.5, str(k))
        groups.add(str(k), 1.0, 0.5, str(k))
    assert groups.incomplete == 0
