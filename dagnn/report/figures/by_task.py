"""Which figures show held-out predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from dagnn.report.figures.calibration import calibration_figure
from dagnn.report.figures.classes import proportions_figure, reliability_figure, roc_figure
from dagnn.report.figures.confusion import confusion_figure
from dagnn.report.figures.novelty import novelty_figure
from dagnn.report.figures.pit import pit_figure
from dagnn.report.figures.tarp import tarp_figure
from dagnn.report.figures.truth import truth_figure
from dagnn.tasks import REGRESSION, Prior, task_of


def task_figures(
    predictions: Sequence[Any], priors: Mapping[str, Prior], **stamp: bool
) -> dict[str, Figure]:
    """Draw what held-out predictions show, in reading order.

    Args:
        predictions: of one task.
        priors: of the training set, by parameter.
        **stamp: what the title says, see :func:`~dagnn.evaluation.wording.heading`.
    """
    known = [p for p in predictions if task_of(p).known(p).any()]
    figures: dict[str, Figure] = {}
    if predictions and task_of(predictions[0]) is REGRESSION:
        names = known[0].parameters if known else ()
        for name in names:
            figures[f"truth_{name}"] = truth_figure(known, name, priors[name], **stamp)
            figures[f"calibration_{name}"] = calibration_figure(known, name, **stamp)
            figures[f"pit_{name}"] = pit_figure(known, name, **stamp)
        if len(names) > 1:
            figures["tarp"] = tarp_figure(known, priors, **stamp)
        return figures
    if known:
        figures["confusion"] = confusion_figure(predictions, **stamp)
        figures["roc"] = roc_figure(predictions, **stamp)
    figures["proportions"] = proportions_figure(predictions, **stamp)
    if known:
        figures["reliability"] = reliability_figure(predictions, **stamp)
    if any(p.novelty is not None for p in predictions):
        figures["novelty"] = novelty_figure(predictions, **stamp)
    return figures
