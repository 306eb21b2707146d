"""Training curves: every term of the objective and every label-free validation number."""

import math
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dagnn.evaluation.table import PREDICTORS
from dagnn.records import EpochRecord
from dagnn.report.figures.style import BLUE, PREDICTOR_COLOURS, STYLE, panels

COLUMNS = 3
Curves = dict[str, dict[str, list[tuple[int, float]]]]


def _curves(histories: Mapping[str, Sequence[EpochRecord]]) -> Curves:
    """Collect ``(epoch, value)`` by panel title and model."""
    curves: Curves = {}
    for model, records in histories.items():
        for record in records:
            values = {f"training: {name}": value for name, value in record.train.items()}
            values |= {f"validation: {name}": value for name, value in record.valid.items()}
            values["learning rate"] = record.learning_rate
            for title, value in values.items():
                point = (record.epoch, value)
                curves.setdefault(title, {}).setdefault(model, []).append(point)
    # The term "no adaptation" is zero throughout and tells nobody anything.
    curves = {
        title: lines
        for title, lines in curves.items()
        if any(value for line in lines.values() for _, value in line)
    }
    # Training first, then validation; the learning rate explains them and comes last.
    order = ("training", "validation", "learning rate")
    return dict(sorted(curves.items(), key=lambda curve: order.index(curve[0].split(":")[0])))


def _is_wide(lines: Mapping[str, Sequence[tuple[int, float]]]) -> bool:
    """Whether values are positive and span so much that a logarithmic axis reads better."""
    values = [value for line in lines.values() for _, value in line if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > 30 * min(values)


def _panel(
    axes: Axes,
    title: str,
    lines: Mapping[str, Sequence[tuple[int, float]]],
    best: Mapping[str, int],
) -> None:
    for model, line in lines.items():
        colour = PREDICTOR_COLOURS.get(model, BLUE)
        epochs, values = zip(*line, strict=True)
        # One epoch makes no line: then, and only then, points are drawn.
        marker = "o" if len(epochs) == 1 else ""
        axes.plot(epochs, values, color=colour, marker=marker, label=PREDICTORS.get(model, model))
        if model in best:
            axes.axvline(best[model], color=colour, linewidth=0.9, linestyle=":")
    if _is_wide(lines):
        axes.set_yscale("log")
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


@matplotlib.rc_context(STYLE)
def training_figure(
    histories: Mapping[str, Sequence[EpochRecord]], *, mock: bool, oracle: bool = False
) -> Figure:
    """Draw how every number of the epoch records went, one panel each.

    Args:
        histories: epoch records of each model (``model``, ``source-only``).
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.

    Raises:
        ValueError: no epoch is recorded.
    """
    curves = _curves(histories)
    if not curves:
        raise ValueError("No epoch is recorded, so there is nothing to draw.")
    rows = math.ceil(len(curves) / COLUMNS)
    best = {
        model: max((record.epoch for record in records if record.best), default=0)
        for model, records in histories.items()
    }
    best = {model: epoch for model, epoch in best.items() if epoch}
    figure, grid = panels(
        rows, COLUMNS, "Training curves · dotted: the chosen epoch",
        mock=mock, oracle=oracle, panel=(2.9, 2.2),
    )  # fmt: skip
    all_axes = [axes for row in grid for axes in row]
    for axes, (title, lines) in zip(all_axes, curves.items(), strict=False):
        _panel(axes, title, lines, best)
    for axes in all_axes[len(curves) :]:
        axes.set_axis_off()
    if len(histories) > 1:
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
