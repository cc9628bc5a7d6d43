"""Every metric on matrices made by hand, and against a plain loop over captions."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch

from lrinterp.scenes import SETS, Examples, Scenes, Split, World
from lrinterp.scoring import METRICS, accuracy_rows, credit, credits, order_credit

SMALL = Split(n_pair=2, n_val=2, positions_per_label=2, layouts_per_pair=2)


def scenes(**world: Any) -> Scenes:
    return Scenes(World(n_pixels=3, n_labels=5, **world), SMALL)


@pytest.fixture(scope="module")
def left() -> Examples:
    return scenes().examples()


@pytest.fixture(scope="module")
def both() -> Examples:
    return scenes(template="both").examples()


@pytest.fixture(scope="module", params=["left", "both", "three"])
def some(request: pytest.FixtureRequest) -> Examples:
    """Worlds of one template, of two, and of three objects."""
    if request.param == "three":
        split = Split(n_pair=3, n_val=3, positions_per_label=3, layouts_per_pair=3)
        return Scenes(World(n_pixels=4, n_labels=6, n_objects=3), split).examples()
    return scenes(template=request.param).examples()


def captioned(examples: Examples, **scores: float) -> torch.Tensor:
    """One row of scores: 0 but for captions by text, `_` for blanks."""
    row = torch.zeros(1, len(examples.caption_text))
    for text, score in scores.items():
        row[0, examples.caption_text.index(text.replace("_", " "))] = score
    return row


def one(examples: Examples, *labels: int) -> Examples:
    """A picture of these labels, from left to right."""
    wanted = [*labels, *[-1] * (2 - len(labels))]
    index = examples.image_labels.tolist().index(wanted)
    return examples.at(np.array([index]))


@pytest.mark.parametrize(
    ("scores", "good", "expected"),
    [
        ([0.9, 0.1, 0.5], [1, 0, 0], 1.0),
        ([0.9, 0.1, 0.5], [0, 0, 1], 0.0),
        ([0.5, 0.5, 0.5], [1, 0, 0], 1 / 3),
        ([0.5, 0.5, 0.5], [1, 1, 0], 2 / 3),
        ([0.5, 0.5, 0.1], [0, 0, 1], 0.0),
        ([0.5, 0.5 + 5e-7, 0.1], [1, 0, 0], 0.5),
        ([0.5, 0.5 + 1e-5, 0.1], [1, 0, 0], 0.0),
        ([-0.5, -0.5, -0.5, -0.6], [0, 1, 0, 0], 1 / 3),
    ],
)
def test_a_tie_of_k_earns_its_share(scores: list[float], good: list[int], expected: float):
    got = credit(torch.tensor([scores]), torch.tensor([good]).bool())
    assert got.tolist() == pytest.approx([expected])


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        # The true caption ranks first.
        ({"bird_is_on_the_left_of_apple": 0.9}, (1, 1, 1, 1, 1)),
        # Its swap ranks first: the labels are right, the order is not.
        ({"apple_is_on_the_left_of_bird": 0.9}, (0, 0, 0, 1, 1)),
        # A caption of another set ranks first, the true one second.
        ({"bird_is_on_the_left_of_apple": 0.5, "cat_is_in_the_image": 0.9}, (1, 1, 0, 1, 0)),
        ({"bird_is_on_the_left_of_apple": 0.5, "cat_is_on_the_left_of_bird": 0.9}, (1, 1, 0, 1, 0)),
        # A two-way tie between the orders.
        (
            {"bird_is_on_the_left_of_apple": 0.5, "apple_is_on_the_left_of_bird": 0.5},
            (0.5, 0.5, 0.5, 1, 1),
        ),
        # A single caption never has the labels of a pair.
        ({"bird_is_in_the_image": 0.9}, (0.5, 0.5, 0, 1, 0)),
    ],
)
def test_metrics_by_hand(left: Examples, scores: dict[str, float], expected: tuple[float, ...]):
    part = one(left, 1, 0)
    matrix = captioned(left, **scores)
    got = [credits(matrix, part, metric, candidates).item() for metric, candidates in METRICS]
    assert got == pytest.approx(expected)


def looped(row: np.ndarray, examples: Examples, image: int, metric: str, which: str) -> float:
    """The credit of one picture, caption by caption."""
    truth = [label for label in examples.image_labels[image].tolist() if label >= 0]
    stated = [[x for x in labels if x >= 0] for labels in examples.caption_labels.tolist()]
    everything = range(len(stated))

    def share(candidates: list[int], good: list[int]) -> float:
        top = max(row[c] for c in candidates)
        best = [c for c in candidates if row[c] >= top - 1e-6]
        return len([c for c in best if c in good]) / len(best)

    true = [c for c in everything if stated[c] == truth]
    if metric == "order":
        rivals = [list(order) for order in permutations(truth)]
        templates = sorted(set(examples.caption_template) - {"single"})
        of = {t: [c for c in everything if examples.caption_template[c] == t] for t in templates}
        parts = [share([c for c in of[t] if stated[c] in rivals], true) for t in templates]
        return sum(parts) / len(parts)
    own = examples.image_set[image]
    closed = [c for c in everything if examples.caption_set[c] == own]
    same = [c for c in everything if sorted(stated[c]) == sorted(truth)]
    return share(
        closed if which == "closed" else list(everything), true if metric == "retrieval" else same
    )


@pytest.mark.parametrize("tied", [False, True])
def test_every_metric_agrees_with_a_plain_loop(some: Examples, tied: bool):  # noqa: FBT001
    rng = np.random.default_rng(3)
    values = rng.normal(size=(len(some), len(some.caption_text)))
    matrix = np.round(values) if tied else values
    chosen = [i for name in SETS for i in some.where(name)[:: 1 + len(some.where(name)) // 8]]
    for i in chosen:
        part, row = some.at(np.array([i])), torch.tensor(matrix[[i]])
        for metric, candidates in METRICS:
            if (some.image_set[i], metric) != ("single", "order"):
                got = credits(row, part, metric, candidates).item()
                assert got == pytest.approx(looped(matrix[i], some, i, metric, candidates))


def by_key(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(row["set"], row["metric"], row["candidates"]): row for row in rows}


def test_constant_scores_are_exactly_at_chance():
    examples = Scenes().examples(["unseen_pair"])
    n, n_captions = len(examples), len(examples.caption_text)
    own = 10 * 9
    rows = accuracy_rows(torch.full((n, n_captions), 0.3), examples, ["unseen_pair"])
    values = {key[1:]: row["value"] for key, row in by_key(rows).items()}
    assert values == pytest.approx(
        {
            ("order", "pair"): 1 / 2,
            ("retrieval", "closed"): 1 / own,
            ("retrieval", "open"): 1 / n_captions,
            ("label_set", "closed"): 2 / own,
            ("label_set", "open"): 2 / n_captions,
        }
    )
    assert {(row["n"], row["n_units"]) for row in rows} == {(own * 12, 10)}


def test_a_model_that_never_looks_is_at_chance_with_the_doubt_of_one_picture(left: Examples):
    """One of two twins is right whatever the captions score: no label differs from 1/2, yet the
    interval is no point.
    """
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(1, len(left.caption_text), generator=generator).expand(len(left), -1)
    row = by_key(accuracy_rows(scores, left, ["mixed_pair"]))["mixed_pair", "order", "pair"]
    values = credits(scores[left.where("mixed_pair")], left.of("mixed_pair"), "order", "pair")
    assert set(values.tolist()) == {0.0, 1.0}
    assert row["value"] == 0.5
    assert 0.0 < row["low"] < 0.5 < row["high"] < 1.0
    assert row["low"] + row["high"] == pytest.approx(1.0)


@pytest.mark.parametrize(("template", "expected"), [("left", 0.0), ("right", 1.0), (None, 0.5)])
def test_order_of_a_template_is_against_its_own_swap(both, template, expected):
    true = {"bird_is_on_the_left_of_apple": 0.2, "apple_is_on_the_right_of_bird": 0.9}
    false = {"apple_is_on_the_left_of_bird": 0.3, "bird_is_on_the_right_of_apple": 0.8}
    matrix = captioned(both, **true, **false)
    assert order_credit(matrix, one(both, 1, 0), template).tolist() == [expected]


def test_rows_for_every_set_metric_and_candidates(left: Examples):
    """A set without pictures, and order on single objects, say why they have no number."""
    rows = by_key(accuracy_rows(torch.zeros(len(left), len(left.caption_text)), left, SETS))
    assert list(rows) == [(name, *pair) for name in SETS for pair in METRICS]
    mixed, single = rows["mixed_pair", "order", "pair"], rows["single", "order", "pair"]
    assert (mixed["n"], mixed["n_units"], mixed["reason"]) == (8 * 3, 4, None)
    key = {"set": "single", "metric": "order", "candidates": "pair"}
    nothing = {"value": None, "low": None, "high": None, "n": 0, "n_units": 0}
    assert single == {**key, **nothing, "reason": "order is not defined for one object"}
    part = left.of("single")
    rows = accuracy_rows(torch.zeros(len(part), len(part.caption_text)), part, ["mixed_pair"])
    assert {row["reason"] for row in rows} == {"no pictures of this set were recorded"}
    split = Split(n_pair=2, n_val=0, positions_per_label=2, layouts_per_pair=2)
    few = Scenes(World(n_pixels=3, n_labels=4), split).examples()
    rows = accuracy_rows(torch.zeros(len(few), len(few.caption_text)), few, ["unseen_pair"])
    assert {row["reason"] for row in rows} == {"n_val = 0 is fewer labels than the 2 of a pair"}


@pytest.mark.parametrize("asked", [("order", "open"), ("recall", "open"), ("retrieval", "pair")])
def test_an_unknown_metric_is_refused(left: Examples, asked: tuple[str, str]):
    scores = torch.zeros(len(left), len(left.caption_text))
    with pytest.raises(ValueError, match=r"^metric: expected one of order \(pair\), .*, got "):
        credits(scores, left, *asked)
