"""Benchmarks of relations in real pictures: does the right caption score highest?

`benchmark(model, read_relations("whatsup", folder))` gives a `Benchmark`: accuracy by relation with
intervals over groups, left and right apart, pairs and sets, chance, and published figures beside
it. It keeps the scores of every row, so that `against` compares two checkpoints row by row.
"""

from lrinterp.benchmark.against import Against, against
from lrinterp.benchmark.published import PUBLISHED, Published
from lrinterp.benchmark.result import Benchmark
from lrinterp.benchmark.run import benchmark
from lrinterp.benchmark.scores import read_scores, write_scores

__all__ = [
    "PUBLISHED",
    "Against",
    "Benchmark",
    "Published",
    "against",
    "benchmark",
    "read_scores",
    "write_scores",
]
