"""Training encoders in place: the loss, the fit, and a run that survives a kill."""

from lrinterp.training.fit import FitConfig, Fitter, fit
from lrinterp.training.loss import contrastive_loss
from lrinterp.training.run import Plan, train

__all__ = ["FitConfig", "Fitter", "Plan", "contrastive_loss", "fit", "train"]
