"""Recordings that the tests of several analyses share: both shipped checkpoints on some of their
pictures, and the micro-model.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from lrinterp import DualEncoder, Examples, Recording, analyze, load_checkpoint, record
from lrinterp.result import Result

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
LAYOUT_STEP = 3
"""Every third layout of the held-out pairs is enough here, each with its swap."""
FURTHER = 60
"""Pictures of each further set."""


def some_pictures(examples: Examples) -> Examples:
    """Whole layouts of the held-out pairs and a few pictures of every other set."""
    unseen = examples.where("unseen_pair")
    layouts = np.unique(examples.image_pixels[unseen], axis=0)[::LAYOUT_STEP].tolist()
    kept = [i for i in unseen if examples.image_pixels[i].tolist() in layouts]
    rng = np.random.default_rng(0)
    others = [rng.permutation(examples.where(s))[:FURTHER] for s in set_names(examples)[:-1]]
    return examples.at(np.sort(np.concatenate([*others, kept])).astype(int))


def set_names(examples: Examples) -> list[str]:
    """The sets with pictures, held-out pairs last."""
    names = dict.fromkeys(examples.image_set)
    return [*(name for name in names if name != "unseen_pair"), "unseen_pair"]


@contextmanager
def one_core() -> Iterator[None]:
    """One thread for fixtures of a session: waiting for a busy core costs small models most."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def shipped(name: str) -> Recording:
    loaded = load_checkpoint(CHECKPOINTS / name)
    with one_core():
        return record(loaded.model, some_pictures(loaded.scenes().examples()))


def analyses_of(recording: Recording) -> Mapping[str, Result]:
    with one_core():
        return analyze(recording)


@pytest.fixture(scope="session")
def left_right() -> Recording:
    """The shipped checkpoint that knows left from right."""
    return shipped("left-right")


@pytest.fixture(scope="session")
def no_gradient() -> Recording:
    """The shipped checkpoint that knows label sets and no order."""
    return shipped("no-gradient")


@pytest.fixture(scope="session")
def left_right_results(left_right: Recording) -> Mapping[str, Result]:
    return analyses_of(left_right)


@pytest.fixture(scope="session")
def no_gradient_results(no_gradient: Recording) -> Mapping[str, Result]:
    return analyses_of(no_gradient)


@pytest.fixture
def micro_recording(micro: DualEncoder, micro_examples: Examples) -> Recording:
    """The micro-model on all its pictures."""
    return record(micro, micro_examples)
