"""The findings of arXiv 2601.12809, checked by a machine.

`criteria` holds the claims, written before the run; `design` what is trained; `reproduce` trains
and measures into a folder, `load_reproduction` reads it back, `reproduction_results` judges every
claim and makes the sections of its page.
"""

from lrinterp.reproduction.claim_statistics import CLAIMS, Claim
from lrinterp.reproduction.claims import Claims
from lrinterp.reproduction.design import Design, ReproductionPlan
from lrinterp.reproduction.reproduction_page import (
    judged,
    reproduction_provenance,
    reproduction_results,
)
from lrinterp.reproduction.running import Made, load_reproduction, reproduce

__all__ = [
    "CLAIMS",
    "Claim",
    "Claims",
    "Design",
    "Made",
    "ReproductionPlan",
    "judged",
    "load_reproduction",
    "reproduce",
    "reproduction_provenance",
    "reproduction_results",
]
