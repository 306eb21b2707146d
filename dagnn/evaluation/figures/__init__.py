"""Figures of a run: each function returns a matplotlib figure and writes nothing.

:func:`save_figure` is the one place that writes files. There is no pyplot and so
no global state: figures can be drawn in threads, notebooks and servers alike.
"""

from dagnn.evaluation.figures.calibration import calibration_figure
from dagnn.evaluation.figures.classes import (
    proportions_figure,
    reliability_figure,
    roc_figure,
)
from dagnn.evaluation.figures.confusion import confusion_figure
from dagnn.evaluation.figures.gradcam import Example, gradcam_figure
from dagnn.evaluation.figures.latent import latent_figure
from dagnn.evaluation.figures.novelty import novelty_figure
from dagnn.evaluation.figures.pit import pit_figure
from dagnn.evaluation.figures.robustness import attack_figure, church_figure, noise_figure
from dagnn.evaluation.figures.save import figure_svg, save_figure
from dagnn.evaluation.figures.tarp import tarp_figure
from dagnn.evaluation.figures.training import training_figure
from dagnn.evaluation.figures.truth import truth_figure

__all__ = [
    "Example",
    "attack_figure",
    "calibration_figure",
    "church_figure",
    "confusion_figure",
    "figure_svg",
    "gradcam_figure",
    "latent_figure",
    "noise_figure",
    "novelty_figure",
    "pit_figure",
    "proportions_figure",
    "reliability_figure",
    "roc_figure",
    "save_figure",
    "tarp_figure",
    "training_figure",
    "truth_figure",
]
