"""How much faster is the batched patching map than one run_with_hooks a cell?

Usage: python analyses/patching_speed/run.py [--checkpoint checkpoints/left-right] [--blocks 5]

Both map every cell of one layer that differs between the runs (all sites, patched tower only, the
other tower's embeddings reused), alternating in one process on two threads; the ratio of medians
is printed for each number of examples. The largest difference between their margins is printed too.
"""

import argparse
import statistics
import time

import torch

import lrinterp as lr
from lrinterp.analysis.contrast import Contrast, contrasts
from lrinterp.analysis.patching.cells import cells_of, hook_of, same
from lrinterp.run import Edit, TowerRun, margins
from lrinterp.run.hooks import site_mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="checkpoints/left-right")
    parser.add_argument("--blocks", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(2)
    checkpoint = lr.load_checkpoint(options.checkpoint)
    examples = checkpoint.scenes().examples(["unseen_pair"])
    recording = lr.record(checkpoint.model, examples, progress=False)
    for n in (8, 64, 256):
        for contrast in contrasts(recording, n, seed=0):
            compare(contrast, n, options.blocks)


def compare(contrast: Contrast, n: int, blocks: int) -> None:
    base, source = contrast.pair("denoising")
    whole = cells_of(source)
    alike = same(base, source, whole).tolist()
    cells = [cell for cell, skip in zip(whole, alike, strict=True) if not skip]
    source.values(hook_of(cell) for cell in cells)
    times: dict[str, list[float]] = {"batched": [], "one by one": []}
    for _ in range(blocks):
        start = time.perf_counter()
        batched = margins(base, cells, contrast.direction)
        middle = time.perf_counter()
        single = torch.stack([one(base, cell, contrast.direction) for cell in cells])
        times["batched"].append(middle - start)
        times["one by one"].append(time.perf_counter() - middle)
    fast, slow = (statistics.median(times[name]) for name in ("batched", "one by one"))
    gap = (batched - single).abs().max().item()
    print(
        f"{contrast.tower} tower, {n} examples, {len(cells)} cells: batched {fast:.2f} s, "
        f"one by one {slow:.2f} s, ratio {slow / fast:.2f}, largest difference {gap:.1e}"
    )


@torch.no_grad()
def one(run: TowerRun, cell: Edit, direction: torch.Tensor) -> torch.Tensor:
    """One cell the plain way: a whole forward pass under run_with_hooks."""
    assert cell.source is not None
    hook, mask, inputs = hook_of(cell), site_mask(cell, run), run.inputs
    taken = cell.source.sites[hook]
    logits = run.tower.run_with_hooks(
        inputs.values, fwd_hooks=[(hook, lambda act, hook: torch.where(mask, taken, act))]
    )
    pooled = logits[torch.arange(len(inputs)), inputs.pool]
    embedded = torch.nn.functional.normalize(pooled, dim=-1).double()
    return (embedded * direction.double()).sum(-1)


if __name__ == "__main__":
    main()
