"""One checkpoint measured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lrinterp.analysis import ANALYSES, analyze, in_order
from lrinterp.recording import Recording, fingerprint
from lrinterp.result import Metric, Result

__all__ = ["Measured", "measure", "not_applied"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What one checkpoint brings to a comparison."""

    name: str
    weights: str
    """A hash of the weights."""
    results: Mapping[str, Result]
    """The analyses asked for, and those that they need."""

    def scalar(self, analysis: str, key: str) -> Metric:
        """A number of an analysis; without a value where the analysis has none."""
        return self.results[analysis].metrics.get(key, Metric(value=None))


def measure(
    name: str, recording: Recording, asked: Iterable[str], *, progress: bool | None = None
) -> Measured:
    """Run some analyses and what they need."""
    needed = {step for analysis in asked for step in in_order(analysis)}
    ordered = [analysis for analysis in ANALYSES if analysis in needed]
    results = analyze(recording, ordered, progress=progress)
    return Measured(name=name, weights=fingerprint(recording.model), results=results)


def not_applied(checkpoint: str, result: Result) -> str:
    """Why an analysis was skipped, in one line that names the checkpoint."""
    return f"{checkpoint}: {result.name} does not apply: {result.reason.removesuffix('.')}."
