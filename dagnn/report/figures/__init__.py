"""Figures of a run: each function returns a matplotlib figure and writes nothing.

:func:`save_figure` is the one place that writes files. There is no pyplot and so
no global state: figures can be drawn in threads, notebooks and servers alike.
"""

from dagnn.report.figures.by_task import task_figures
from dagnn.report.figures.calibration import calibration_figure
from dagnn.report.figures.classes import (
    proportions_figure,
    reliability_figure,
    roc_figure,
)
from dagnn.report.figures.confusion import confusion_figure
from dagnn.report.figures.latent import latent_figure
from dagnn.report.figures.novelty import novelty_figure
from dagnn.report.figures.pit import pit_figure
from dagnn.report.figures.save import figure_svg, save_figure
from dagnn.report.figures.tarp import tarp_figure
from dagnn.report.figures.training import training_figure
from dagnn.report.figures.truth import truth_figure

__all__ = [
    "calibration_figure",
    "confusion_figure",
    "figure_svg",
    "latent_figure",
    "novelty_figure",
    "pit_figure",
    "proportions_figure",
    "reliability_figure",
    "roc_figure",
    "save_figure",
    "tarp_figure",
    "task_figures",
    "training_figure",
    "truth_figure",
]
