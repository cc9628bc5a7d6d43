"""What does a training step of one model cost, alone and in a stack?

Usage: python analyses/speed/run.py [--models 1 8 32 128] [--stack 32] [--blocks 5] [--device cpu]
           [--json] [--profile]

In one process, on two threads, in alternating blocks; medians in milliseconds a step and model:

- stepped: the plain way, two HookedTransformers of the minimal preset, full forward pass of all
  positions, 230 captions, AdamW, backward and step, with a batch made beforehand;
- fit: `lrinterp.training.fit`, batch making included;
- stacked: `fit_many`, batch making included, for several numbers of models.

ratio_stacked is stepped over the best stacked. With --profile, instead, where a step of one stack
spends its time, and how many floating-point operations its matrix products make and make a second.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from math import prod

import torch
import torch.nn.functional as F

from lrinterp.axes import Tokens
from lrinterp.encoders import preset
from lrinterp.scenes import Scenes, Split
from lrinterp.training import FitConfig, Fitter, Plan, StackFitter, contrastive_loss
from lrinterp.training.fit_many import STACK, stacks_of

STEPS = 20
"""Steps of a block for one model, fewer for many."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--stack", type=int, default=STACK)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(2)
    if options.profile:
        profile(options.stack, options.device)
        return
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "stepped": (stepped(options.device), 1),
        "fit": (Fitter(plan(0).build().to(options.device), plan(0).scenes, plan(0).fit).advance, 1),
    }
    for count in options.models:
        ways[f"stacked {count}"] = (stacked(count, options.stack, options.device), count)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for block in range(options.blocks + 1):  # the first warms up
        for name, (step, count) in ways.items():
            spent = timed(step, max(2, STEPS // count), options.device) / count
            times[name] += [1000 * spent] if block else []
    report(times, as_json=options.json)


def report(times: dict[str, list[float]], *, as_json: bool) -> None:
    medians = {name: round(statistics.median(values), 2) for name, values in times.items()}
    best = min(value for name, value in medians.items() if name.startswith("stacked"))
    found = {
        "stepped_ms": medians["stepped"],
        "fit_ms": medians["fit"],
        "stacked_ms": {k.split()[1]: v for k, v in medians.items() if k.startswith("stacked")},
        "ratio_stacked": round(medians["stepped"] / best, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(found, indent=None if as_json else 1))


def profile(models: int, device: str) -> None:
    step = stacked(models, models, device)
    step()
    with torch.profiler.profile(record_shapes=True) as found:
        for _ in range(STEPS):
            step()
    per_step = 1000 * STEPS * models  # microseconds to milliseconds a step and model
    events = found.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    for event in sorted(events, key=lambda event: -event.self_cpu_time_total)[:10]:
        spent = event.self_cpu_time_total
        print(f"{event.key:32} {spent / per_step:6.3f} ms {spent / total:6.1%}")
    products = [e for e in found.key_averages(group_by_input_shape=True) if e.key == "aten::bmm"]
    work = sum(2 * prod(e.input_shapes[0]) * e.input_shapes[1][2] * e.count for e in products)
    spent = sum(e.self_cpu_time_total for e in products)
    print(
        f"all {total / per_step:.2f} ms; matrix products {work / per_step / 1000:.0f} MFLOP", end=""
    )
    print(f" at {work / spent / 1000:.0f} GFLOP/s")


def plan(seed: int) -> Plan:
    scenes = Scenes(split=Split(seed=seed))
    return Plan(scenes=scenes, encoder=preset("minimal"), fit=FitConfig(seed=seed, steps=10**6))


def stepped(device: str) -> Callable[[], object]:
    one = plan(0)
    model = one.build().to(device)
    batch = [tokens.to(device) for tokens in one.scenes.batch(torch.Generator().manual_seed(0))]
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)

    def embedded(name: str, tokens: Tokens) -> torch.Tensor:
        logits = model.towers[name](tokens.ids)
        return F.normalize(logits[torch.arange(len(tokens)), tokens.pool], dim=-1)

    def step() -> None:
        images, captions = map(embedded, model.towers, batch)
        optimiser.zero_grad(set_to_none=True)
        contrastive_loss(images, captions, model.log_scale).backward()
        optimiser.step()

    return step


def stacked(count: int, stack: int, device: str) -> Callable[[], object]:
    plans = [plan(seed) for seed in range(count)]
    fitters = []
    for members in stacks_of(plans, stack):
        together = [plans[i] for i in members]
        fitters.append(StackFitter(together, [p.build().to(device) for p in together]))
    return lambda: [fitter.advance() for fitter in fitters]


def timed(step: Callable[[], object], steps: int, device: str) -> float:
    """Seconds of one of some steps."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps


if __name__ == "__main__":
    main()
