"""Which models share a stack: each once, alike ones together, the same wherever it is asked."""

from typing import Any

import pytest

from lrinterp.experiment import packing
from lrinterp.experiment.design import Study
from lrinterp.experiment.packing import members, memory_of, pack
from lrinterp.training.fit_many import shared


def test_every_model_stands_in_one_stack_with_its_like(tiny: dict[str, Any]):
    study = Study.from_plain(tiny, "tiny")
    everyone = {one.model: one for one in members(study)}
    stacks = pack(study)
    assert sorted(n for stack in stacks for n in stack) == list(range(16))
    assert {len(stack) for stack in stacks} == {2}  # four alike, at most three together
    for stack in stacks:
        assert len({everyone[n].setting.arm for n in stack}) == 1
        assert len({shared(everyone[n].setting.plan(everyone[n].seed)) for n in stack}) == 1


def test_arms_keep_their_order_and_the_longest_work_comes_first(tiny: dict[str, Any]):
    study = Study.from_plain(tiny, "tiny")
    everyone = {one.model: one.setting for one in members(study)}
    order = [(everyone[s[0]].arm, everyone[s[0]].values["split.n_pair"]) for s in pack(study)]
    assert order[:4] == [("plain", 3)] * 2 + [("plain", 2)] * 2
    assert order[4:] == [("drawn", 2)] * 2 + [("drawn", 3)] * 2  # one batch size: equal work


def test_members_are_numbered_by_arm_combination_and_seed(tiny: dict[str, Any]):
    found = [(m.model, m.setting.arm, m.seed) for m in members(Study.from_plain(tiny, "tiny"))]
    assert found == [(k, "plain" if k < 8 else "drawn", k % 2) for k in range(16)]


def test_learning_rates_share_a_stack(tiny: dict[str, Any]):
    tiny |= {"grid": {"fit": {"learning_rate": [1e-3, 2e-3, 3e-3]}}, "arms": {}, "verdicts": []}
    assert pack(Study.from_plain(tiny | {"stack": 6}, "tiny")) == [[0, 1, 2, 3, 4, 5]]


def test_a_stack_takes_no_more_memory_than_it_may(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    study = Study.from_plain(tiny, "tiny")
    (plan, *_) = (setting.plan(0) for setting in study.settings())  # two labels in pairs
    assert {len(stack) for stack in pack(study)} == {2}
    monkeypatch.setattr(packing, "MEMORY", memory_of(plan) + 1)
    assert {len(stack) for stack in pack(study)} == {1}
    monkeypatch.setattr(packing, "MEMORY", 1)
    assert {len(stack) for stack in pack(study)} == {1}


def test_memory_counts_the_weights_themselves(tiny: dict[str, Any]):
    """Weights, gradient and two moments in single precision are a lower bound."""
    (plan, *_) = (s.plan(0) for s in Study.from_plain(tiny, "tiny").settings())
    weights = sum(w.numel() for w in plan.build().parameters())
    assert 16 * weights < memory_of(plan) < 10_000_000


def test_larger_batches_and_deeper_towers_take_more(tiny: dict[str, Any]):
    def memory(**sections: dict[str, Any]) -> int:
        base = {name: fields | sections.get(name, {}) for name, fields in tiny["base"].items()}
        study = Study.from_plain({**tiny, "base": base, "arms": {}}, "tiny")
        return memory_of(next(iter(study.settings())).plan(0))

    plain = memory()
    assert memory(fit={"batch_size": 4}) < plain
    assert memory(encoder={"preset": "full"}) > plain
    assert memory(encoder={"image_layers": 3}) > plain
