"""Benchmarks of relations in real pictures: does the right caption score highest?

`benchmark(model, read_relations("whatsup", folder))` gives a `Benchmark`: accuracy by relation with
intervals over groups, left and right apart, pairs and sets, chance, and published figures beside
it. It keeps the scores of every row, so that `against` compares two checkpoints row by row.
"""

from lrinterp.benchmark.against import Against, against
from lrinterp.benchmark.embedding import benchmark
from lrinterp.benchmark.scores import read_scores, write_scores
from lrinterp.benchmark.sentences import PUBLISHED
from lrinterp.benchmark.suite_result import Benchmark

__all__ = [
    "PUBLISHED",
    "Against",
    "Benchmark",
    "against",
    "benchmark",
    "read_scores",
    "write_scores",
]
