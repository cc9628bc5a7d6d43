"""Benchmarks of relations in real pictures: does the right caption score highest?

`benchmark(model, read_relations("whatsup", folder))` gives a `Benchmark`: accuracy by relation with
intervals over groups, left and right apart, pairs and sets, chance, and published figures beside
it.
"""

from lrinterp.benchmark.board import Scoreboard
from lrinterp.benchmark.published import PUBLISHED, Published
from lrinterp.benchmark.result import Benchmark
from lrinterp.benchmark.run import benchmark
from lrinterp.benchmark.skipped import BadRows

__all__ = ["PUBLISHED", "BadRows", "Benchmark", "Published", "Scoreboard", "benchmark"]
