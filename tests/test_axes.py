import pytest
import torch
from jaxtyping import TypeCheckError

from lrinterp.axes import Pixels, Tokens


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(torch.tensor([[0, 1, 9], [0, 2, 9], [0, 3, 9]]), torch.tensor([2, 1, 0]))


def test_length_is_the_number_of_examples(tokens: Tokens):
    assert len(tokens) == 3
    assert len(tokens.at(slice(0, 0))) == 0


@pytest.mark.parametrize(
    ("index", "pool"),
    [
        (slice(1, None), [1, 0]),
        (torch.tensor([2, 0, 2]), [0, 2, 0]),
        (torch.tensor([True, False, True]), [2, 0]),
    ],
    ids=["slice", "numbers", "mask"],
)
def test_selecting_keeps_ids_and_pool_together(tokens, index, pool):
    part = tokens.at(index)
    assert part.pool.tolist() == pool
    assert part.ids[:, 1].tolist() == [3 - p for p in pool]


def test_another_device_has_the_same_tokens(tokens: Tokens):
    assert tokens.to("cpu").ids.equal(tokens.ids)
    moved = tokens.to(torch.device("meta"))
    assert moved.ids.is_meta
    assert moved.pool.is_meta


@pytest.fixture
def pixels() -> Pixels:
    values = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 2, 4, 5)
    return Pixels(values, torch.zeros(3, dtype=torch.long))


def test_pictures_are_selected_and_moved_as_tokens_are(pixels: Pixels):
    assert len(pixels) == 3
    for index in (slice(1, None), torch.tensor([1, 2]), torch.tensor([False, True, True])):
        part = pixels.at(index)
        assert part.values[:, 0, 0, 0].tolist() == [1, 2]
        assert part.pool.tolist() == [0, 0]
    moved = pixels.to("meta")
    assert moved.values.is_meta
    assert moved.pool.is_meta


def test_the_test_run_checks_shapes():
    with pytest.raises(TypeCheckError, match="values"):
        Pixels(torch.zeros(3, 2, 4), torch.zeros(3, dtype=torch.long))
    with pytest.raises(TypeCheckError, match="pool"):
        Tokens(torch.zeros(3, 2, dtype=torch.long), torch.zeros(4, dtype=torch.long))
    with pytest.raises(TypeCheckError, match="values"):
        Tokens(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long))
