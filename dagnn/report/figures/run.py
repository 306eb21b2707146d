"""Figures of one run: what shows its predictions, its latents and its training."""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dagnn.evaluation.latent import LatentMap
from dagnn.evaluation.measure import PREDICTORS
from dagnn.evaluation.wording import label
from dagnn.records import EpochRecord
from dagnn.report.figures import classes, parameters, style
from dagnn.tasks import REGRESSION, Prior, task_of

COLUMNS = 3
_Points = list[tuple[int, float]]


def task_figures(predictions: Sequence[Any], priors: Mapping[str, Prior]) -> dict[str, Figure]:
    """Draw what held-out predictions show, in reading order.

    Args:
        predictions: of one task.
        priors: of the training set, by parameter.
    """
    known = [p for p in predictions if task_of(p).known(p).any()]
    figures: dict[str, Figure] = {}
    if predictions and task_of(predictions[0]) is REGRESSION:
        names = known[0].parameters if known else ()
        for name in names:
            figures[f"truth_{name}"] = parameters.truth_figure(known, name, priors[name])
            figures[f"calibration_{name}"] = parameters.calibration_figure(known, name)
            figures[f"pit_{name}"] = parameters.pit_figure(known, name)
        if len(names) > 1:
            figures["tarp"] = parameters.tarp_figure(known, priors)
        return figures
    if known:
        figures["confusion"] = classes.confusion_figure(predictions)
        figures["roc"] = classes.roc_figure(predictions)
    figures["proportions"] = classes.proportions_figure(predictions)
    if known:
        figures["reliability"] = classes.reliability_figure(predictions)
    if any(p.novelty is not None for p in predictions):
        figures["novelty"] = classes.novelty_figure(predictions)
    return figures


@style.styled
def latent_figure(maps: Sequence[LatentMap]) -> Figure:
    """Draw latent maps side by side, coloured by parameter or class, marked by suite.

    Sources are filled, targets open; an item of unknown truth is grey.

    Args:
        maps: one map per network, of the same suites and parameter.
    """
    title = "What the network sees: latents of all suites"
    figure, (row,) = style.panels(1, len(maps), title, panel=(3.7, 3.5))
    names = max((each.classes for each in maps), key=len)
    colours = _colours(maps, names)
    suites = dict.fromkeys(s for each in maps for s in zip(each.suite, each.role, strict=True))
    markers = dict(zip(suites, cycle(style.MARKERS), strict=False))
    for axes, each in zip(row, maps, strict=True):
        _latent_panel(axes, each, markers, colours)
    bar = figure.colorbar(colours, ax=row, label=f"true {label(maps[0].parameter)}", pad=0.02)
    if names:
        bar.set_ticks(list(range(len(names))), labels=list(names))
    handles = [
        Line2D(
            [], [], linestyle="none", marker=marker, color="#444444", markersize=5.5,
            markerfacecolor="#444444" if role == "source" else "none", label=f"{suite} ({role})",
        )
        for (suite, role), marker in markers.items()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _colours(maps: Sequence[LatentMap], names: Sequence[str]) -> ScalarMappable:
    """Return one scale for all panels: continuous for a parameter, one step per class."""
    if names:
        steps = list(islice(cycle(style.CLASS_COLOURS), len(names)))
        edges = [k - 0.5 for k in range(len(names) + 1)]
        return ScalarMappable(BoundaryNorm(edges, len(names)), ListedColormap(steps))
    values = np.concatenate([each.values for each in maps])
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    return ScalarMappable(Normalize(low, high), "viridis")


def _latent_panel(
    axes: Axes, given: LatentMap, markers: Mapping[tuple[str, str], str], scale: ScalarMappable
) -> None:
    belongs = list(zip(given.suite, given.role, strict=True))
    for (suite, role), marker in markers.items():
        mine = np.array([each == (suite, role) for each in belongs])
        x, y = given.coords[mine].T
        known = np.isfinite(given.values[mine])
        colours: Any = scale.to_rgba(np.where(known, given.values[mine], 0.0))
        colours[~known] = (0.6, 0.6, 0.6, 1.0)
        filled = role == "source"
        points = axes.scatter(
            x, y, s=22, marker=marker, linewidths=0.3 if filled else 1.1, zorder=3,
            facecolors=colours if filled else "none",
            edgecolors="white" if filled else colours,
        )  # fmt: skip
        points.set_gid(f"{suite}-{role}")
    axes.set_title(f"{PREDICTORS.get(given.model, given.model)} · {given.method}")
    # A projection has no unit and no origin, so ticks would only mislead.
    axes.set(xticks=[], yticks=[])
    axes.margins(0.06)


@style.styled
def training_figure(histories: Mapping[str, Sequence[EpochRecord]]) -> Figure:
    """Draw how every number of the epoch records went, one panel each.

    Args:
        histories: epoch records of each model (``model``, ``source-only``).

    Raises:
        ValueError: no epoch is recorded.
    """
    curves = _curves(histories)
    if not curves:
        raise ValueError("No epoch is recorded, so there is nothing to draw.")
    title = "Training curves · dotted: the chosen epoch"
    figure, grid = style.panels(math.ceil(len(curves) / COLUMNS), COLUMNS, title, panel=(2.9, 2.2))
    chosen = {
        model: max((record.epoch for record in records if record.best), default=0)
        for model, records in histories.items()
    }
    all_axes = [axes for row in grid for axes in row]
    for axes, (name, lines) in zip(all_axes, curves.items(), strict=False):
        _training_panel(axes, lines, chosen)
        axes.set_title(name)
    for axes in all_axes[len(curves) :]:
        axes.set_axis_off()
    if len(histories) > 1:
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _curves(histories: Mapping[str, Sequence[EpochRecord]]) -> dict[str, dict[str, _Points]]:
    """Collect ``(epoch, value)`` by panel title and model."""
    curves: dict[str, dict[str, _Points]] = {}
    for model, records in histories.items():
        for record in records:
            values = {f"training: {name}": value for name, value in record.train.items()}
            values |= {f"validation: {name}": value for name, value in record.valid.items()}
            values["learning rate"] = record.learning_rate
            for title, value in values.items():
                point = (record.epoch, value)
                curves.setdefault(title, {}).setdefault(model, []).append(point)
    # The term "no adaptation" is zero throughout and shows nothing.
    curves = {
        title: lines
        for title, lines in curves.items()
        if any(value for line in lines.values() for _, value in line)
    }
    # Training first, then validation; the learning rate explains them and comes last.
    order = ("training", "validation", "learning rate")
    return dict(sorted(curves.items(), key=lambda curve: order.index(curve[0].split(":")[0])))


def _training_panel(axes: Axes, lines: Mapping[str, _Points], chosen: Mapping[str, int]) -> None:
    for model, line in lines.items():
        colour = style.PREDICTOR_COLOURS.get(model, style.BLUE)
        epochs, values = zip(*line, strict=True)
        # One epoch makes no line: then, and only then, points are drawn.
        marker = "o" if len(epochs) == 1 else ""
        axes.plot(epochs, values, color=colour, marker=marker, label=PREDICTORS.get(model, model))
        if chosen.get(model):
            axes.axvline(chosen[model], color=colour, linewidth=0.9, linestyle=":")
    finite = [value for line in lines.values() for _, value in line if math.isfinite(value)]
    # Values that are positive and span much read better on a logarithmic axis.
    if finite and min(finite) > 0 and max(finite) > 30 * min(finite):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
