import pytest

from lrinterp.benchmark.wording import says, side_of


@pytest.mark.parametrize(
    ("phrase", "side"),
    [
        ("left of", "left"),
        ("At the RIGHT side of", "right"),
        ("above", ""),
        ("upright", ""),
        ("left or right", ""),
    ],
)
def test_the_side_of_a_phrase(phrase: str, side: str):
    assert side_of(phrase) == side


@pytest.mark.parametrize(
    ("captions", "places"),
    [
        (("a red square to the left of a dot", "a red square to the right of a dot"), "left,right"),
        (
            ("A mug on a table", "A mug under a table", "A mug to the left of a table"),
            "on,under,left",
        ),
        (("A cup in front of a vase", "A cup behind a vase"), "in front of,behind"),
        (("The cat is at the left side of the dog.", "The cat is at the right side of the dog."),
         "left,right"),
        (("A photo of a dog on the top", "A photo of a dog on the bottom"), "top,bottom"),
        (("The cup is above the cat.", "The cup is below the cat."), "above,below"),
        (("a dog left of a cat", "a dog chasing a cat"), "left of,"),
        (("left", "right"), "left,right"),
    ],
)  # fmt: skip
def test_what_captions_say(captions: tuple[str, ...], places: str):
    expected = places.replace("left of", "left").split(",")
    assert list(says(captions, "relation")) == expected


def test_captions_that_exchange_objects_say_one_thing():
    captions = ("the cat is left of the dog", "the dog is left of the cat")
    assert says(captions, "object swap") == ("", "")
