"""Figures of a run: each function returns a matplotlib figure and writes nothing.

:func:`save_figure` is the one place that writes files. There is no pyplot and so
no global state: figures can be drawn in threads, notebooks and servers alike.
"""

from dagnn.evaluation.figures.calibration import calibration_figure
from dagnn.evaluation.figures.latent import latent_figure
from dagnn.evaluation.figures.pit import pit_figure
from dagnn.evaluation.figures.save import figure_svg, save_figure
from dagnn.evaluation.figures.tarp import tarp_figure
from dagnn.evaluation.figures.training import training_figure
from dagnn.evaluation.figures.truth import truth_figure

__all__ = [
    "calibration_figure",
    "figure_svg",
    "latent_figure",
    "pit_figure",
    "save_figure",
    "tarp_figure",
    "training_figure",
    "truth_figure",
]
