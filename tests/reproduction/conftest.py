"""Planted measures of models, and a reproduction small enough to be made in seconds."""

import itertools
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrinterp.experiment.section import Section
from lrinterp.reproduction.claim_statistics import Found, of_arms
from lrinterp.reproduction.design import ARMS, UNTRAINED, Design, ReproductionPlan
from lrinterp.reproduction.ingredients import SHOWN
from lrinterp.reproduction.measured_models import Measures, gather
from lrinterp.reproduction.running import Made, load_reproduction, reproduce

SEEDS = range(300, 308)
PIXELS = range(1, 6)
WHOLE = "EP+PP+bP"
ORDER = {
    "standard": 0.97, "both_2": 0.95, "both_1": 0.5, "shuffled": 0.5, "few": 0.8, UNTRAINED: 0.5,
}  # fmt: skip
SPAN = {
    "standard": 12.0, "both_2": 11.0, "both_1": 0.01, "shuffled": 8.0, "few": 0.05,
    UNTRAINED: 0.002,
}  # fmt: skip
AFTER = {
    "without EP": 0.52, "without PE": 0.96, "without PP": 0.96, "without bP": 0.85,
    "without VP": 0.965, "without EP and VP": 0.51, "without key-position": 0.5,
    "norm-matched random control": 0.76, "key-position alone": 0.93,
}  # fmt: skip
"""Order of a standard model, as the paper and we say."""
COSINES = {"raw_centred_cosine": 0.0, "aligned_cosine": 0.5, "shuffled_mean": 0.0}
SLOPES = {"EP": 0.9, "PP": 0.0, "bP": 0.0, WHOLE: 1.0}
TINY = {
    "world": {"n_pixels": 5, "n_labels": 9},
    "split": {"n_pair": 5, "n_val": 3, "positions_per_label": 3, "layouts_per_pair": 6},
    "encoder": {"d_model": 8, "n_heads": 2, "d_head": 4, "d_embed": 8},
    "fit": {"steps": 50, "learning_rate": 1e-2},
}
"""A recipe whose models are trained and analysed in less than a second."""


@pytest.fixture(scope="session")
def planted() -> Any:
    """What this file defines, for the tests of this folder."""
    return sys.modules[__name__]


def scalar(value: Any, n: int | None = 900) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "n": n, "n_units": 10 if n else None}


def model(
    arm: str, seed: int, *, after: Mapping[str, float] = AFTER, noise: float = 0.005
) -> dict[str, Any]:
    """What `measure` would say of a model of an arm."""
    rng = np.random.default_rng([seed, list(ORDER).index(arm)])

    def near(value: float) -> float:
        return float(value + noise * rng.normal())

    learns = arm in ("standard", "both_2")
    rank = 0.8 if learns else 0.0
    numbers = {
        "accuracy.unseen_pair_order": scalar(near(ORDER[arm])),
        "attention_terms.image_weight_terms_share": scalar(near(0.8)),
        "positional_gradient.headline_head": scalar("L0H1"),
        "positional_gradient.headline_slope": scalar(-SPAN[arm] / 4, None),
        "positional_gradient.widest_span": scalar(SPAN[arm], None),
        "positional_gradient.headline_spearman_EP": scalar(near(-0.98), None),
        "positional_gradient.headline_spearman_PP": scalar(near(0.2), None),
        "positional_gradient.headline_spearman_bP": scalar(near(0.2), None),
        "order_bias.first_head_difference": scalar(near(0.6 if learns else 0.0), 20),
        "order_bias.first_head_consistency": scalar(near(0.99 if learns else 0.5), 20),
        "procrustes.W_E_raw_cosine": scalar(near(0.0), None),
        "similarity_attribution.spearman_margin_gain": scalar(near(rank)),
        "similarity_attribution.spearman_within_pairs": scalar(near(rank)),
        "similarity_attribution.spearman_within_null": scalar(near(0.05)),
    }
    for site in ("W_E", "value_path"):
        for name, value in COSINES.items():
            cosine = near(value if arm == "standard" else 0.0)
            numbers[f"procrustes.{site}_{name}"] = scalar(cosine, 5)
    return {
        "numbers": numbers | ablated(numbers, after if learns else {}, near),
        "tables": {
            "positional_gradient": list(rows(SPAN[arm], near)),
            "similarity_attribution": list(parts(near)),
        },
        "skipped": {},
    }


def ablated(
    numbers: Mapping[str, Any], after: Mapping[str, float], near: Any
) -> dict[str, dict[str, Any]]:
    order = numbers["accuracy.unseen_pair_order"]["value"]
    found = {}
    for words, end in SHOWN.items():
        value = order if words == "intact" else near(after.get(words, order))
        found[f"term_ablation.order_{end}"] = scalar(value)
        found[f"term_ablation.label_set_closed_{end}"] = scalar(near(0.98))
    return found


def rows(span: float, near: Any) -> Iterator[dict[str, Any]]:
    """Falling rows of two heads, of which the second is twice as steep; raw rows have a height."""
    for (term, part), head, pixel in itertools.product(SLOPES.items(), (0, 1), PIXELS):
        gauge = "canonical" if term == WHOLE else "raw"
        value = -part * span * (head + 1) / 2 * (pixel - 3) / 4
        place = {"gauge": gauge, "term": term, "head": f"L0H{head}", "pixel": pixel}
        yield {**place, "value": near(value) + (5.0 if gauge == "raw" else 0.0)}


def parts(near: Any) -> Iterator[dict[str, Any]]:
    values = {("right", "token"): 0.3, ("left", "token"): -0.1, ("CLS", "bias"): 0.0}
    for (role, part), value in values.items():
        for head in ("L0H0", "L0H1"):
            place = {"encoder": "image", "kind": "direct", "head": head, "role": role, "part": part}
            yield {**place, "value": near(value / 2)}


@pytest.fixture(scope="session")
def as_claimed() -> Measures:
    """Models of which everything holds that the paper and we claim."""
    return measures()


@pytest.fixture(scope="session")
def found(as_claimed: Measures) -> dict[str, Found]:
    """The statistics of these models."""
    return of_arms(as_claimed)


def measures(arms: Any = (*ARMS, UNTRAINED), seeds: Any = SEEDS, **changes: Any) -> Measures:
    return gather((arm, seed, model(arm, seed, **changes)) for arm in arms for seed in seeds)


one_thread_pool = partial(ThreadPoolExecutor, 1)


def tiny_plan(**changes: Any) -> ReproductionPlan:
    design = Design(**{"quick": True, "seeds": 2, "base": TINY, **changes})
    return ReproductionPlan.of(design, None, "cpu")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished reproduction of tiny models."""
    out = tmp_path_factory.mktemp("reproduction") / "out"
    assert reproduce(tiny_plan(), out, one_thread_pool) == {}
    return out


@pytest.fixture(scope="session")
def tiny_made(tiny_folder: Path) -> Made:
    return load_reproduction(tiny_folder)


def check_section(section: Section, keys: list[str]) -> None:
    """A section of eight seeds has these figures, each with its table."""
    assert [figure.key for figure in section.figures()] == keys
    assert all(len(figure.table) for figure in section.figures())
    assert all(scalar.n == 8 for scalar in section.metrics.values())
