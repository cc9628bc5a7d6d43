"""Several checkpoints side by side: differences with intervals, then a section an analysis."""

from collections.abc import Iterable, Sequence

from lrinterp.analysis import ANALYSES, check_names
from lrinterp.checkpoint import Checkpoint
from lrinterp.comparison.differences import differences
from lrinterp.comparison.measured import measure
from lrinterp.comparison.naming import numbered
from lrinterp.comparison.side_by_side import side_by_side
from lrinterp.result import Result
from lrinterp.run import Run, record
from lrinterp.scenes.natural import FromSuite
from lrinterp.store import InputError

__all__ = ["check_enough", "compare", "compare_recordings"]


def compare(
    checkpoints: Sequence[Checkpoint],
    only: Iterable[str] | None = None,
    *,
    pictures: FromSuite | None = None,
    progress: bool | None = None,
) -> dict[str, Result]:
    """Run some analyses, or all, on each checkpoint and put them side by side.

    `pictures` names the photographs that imported CLIPs are analysed on.

    Returns `differences`, every number of every summary with its difference from the first
    checkpoint, then a `SideBySide` for each analysis asked for. A checkpoint whose name was used
    before has a number behind it. Raises InputError for fewer than two checkpoints, an unknown
    analysis, or a checkpoint without a world.

    Cost: that of `analyze` for each checkpoint; one recording is in memory at a time.
    """
    check_enough(len(checkpoints))
    names = numbered(one.name for one in checkpoints)
    loaded = zip(names, checkpoints, strict=True)
    return compare_recordings(
        ((n, record(c.model, c.examples(pictures), progress=progress)) for n, c in loaded),
        only,
        progress=progress,
    )


def compare_recordings(
    recordings: Iterable[tuple[str, Run]],
    only: Iterable[str] | None = None,
    *,
    progress: bool | None = None,
) -> dict[str, Result]:
    """`compare` of recordings under names of their own: of any models on any pictures."""
    asked = [name for name in ANALYSES if name in set(check_names(only))]
    measured = [
        measure(name, recording, asked, progress=progress) for name, recording in recordings
    ]
    check_enough(len(measured))
    return {
        "differences": differences(measured, asked),
        **{name: side_by_side(name, measured) for name in asked},
    }


def check_enough(count: int) -> None:
    """Refuse fewer than two checkpoints."""
    if count < 2:
        raise InputError(f"expected at least two checkpoints to compare, got {count}")
