"""How unlike what was taught the items of every suite are."""

from collections.abc import Iterator, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter, PercentFormatter

from dagnn.evaluation.table import PREDICTORS
from dagnn.records import ClassPredictions, FloatArray
from dagnn.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    STYLE,
    drawn,
    models_of,
    panels,
)

COLOURS = (BLUE, GREEN, PINK, "#E69F00", "#56B4E9")
_Curve = tuple[str, FloatArray, bool]
"""What the items are, their novelties, and whether their class is unknown."""


@matplotlib.rc_context(STYLE)
def novelty_figure(
    predictions: Sequence[ClassPredictions], *, mock: bool, oracle: bool = False
) -> Figure:
    """Draw which share of the items has a novelty above any value, one panel per network.

    Items of unknown class have a line of their own, where labels tell them.

    Args:
        predictions: one record per model and suite, of one split; those of unknown novelty
            are left out.
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.

    Raises:
        ValueError: nothing is left to draw.
    """
    given = drawn([each for each in predictions if each.novelty is not None])
    models = models_of(given)
    figure, grid = panels(
        1, len(models), "Novelty: distance from what was taught", mock=mock, oracle=oracle,
        panel=(4.4, 3.2), share=True,
    )  # fmt: skip
    for axes, model in zip(grid[0], models, strict=True):
        axes.set_title(PREDICTORS.get(model, model))
        _draw(axes, [each for each in given if each.model == model])
        axes.set_xlabel("novelty")
    grid[0][0].set_ylabel("share of items above it")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 3))
    return figure


def _draw(axes: Axes, given: Sequence[ClassPredictions]) -> None:
    colours = iter(COLOURS * len(given))
    for name, novelty, unknown in (curve for each in given for curve in _curves(each)):
        values = np.sort(np.maximum(novelty, 1e-3))
        share = 1 - np.arange(len(values)) / len(values)
        colour = ORANGE if unknown else next(colours)
        axes.step(values, share, color=colour, label=name, where="pre", zorder=4 if unknown else 3)
    axes.axvline(1, color=GREY, linestyle=":", label="above: called unknown")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _curves(given: ClassPredictions) -> Iterator[_Curve]:
    """Tell items of unknown class from the others."""
    assert given.novelty is not None
    unknown = given.truth == len(given.classes)
    title = f"{given.suite} ({given.role})"
    if unknown.any():
        yield f"{title}, unknown class", given.novelty[unknown], True
        title = f"{title}, known classes"
    if not unknown.all():
        yield title, given.novelty[~unknown], False
