"""Training models in place: the loss, the fit of one model or of many, and runs in a folder."""

from lrinterp.training.fit import (
    FitConfig,
    Fitter,
    contrastive_loss,
    fit,
    stacked_contrastive_loss,
)
from lrinterp.training.fit_many import Fitted, StackFitter, fit_many
from lrinterp.training.resume import Plan, train

__all__ = [
    "FitConfig",
    "Fitted",
    "Fitter",
    "Plan",
    "StackFitter",
    "contrastive_loss",
    "fit",
    "fit_many",
    "stacked_contrastive_loss",
    "train",
]
