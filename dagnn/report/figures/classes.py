"""ROC curves, reliability and class proportions: one panel per suite, one line per network."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dagnn.evaluation.table import PREDICTORS
from dagnn.evaluation.wording import number
from dagnn.records import ClassPredictions, FloatArray, IntArray
from dagnn.report.figures.style import (
    BLUE,
    PREDICTOR_COLOURS,
    STYLE,
    drawn,
    models_of,
    panels,
    say,
    suites_of,
)
from dagnn.tasks.classification_metrics import (
    BINS,
    CLASS_METRICS,
    confidence_bins,
    confusion,
    predicted_shares,
    true_shares,
)

FEWEST = 5
"""Items in a bin that the line of a reliability diagram goes through; others are dots only."""
FALSE_POSITIVES = np.linspace(0, 1, 201)
OTHER_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777")
"""Of networks that are neither the model nor source-only (other experiments in one figure)."""


def known_items(given: ClassPredictions) -> tuple[IntArray, FloatArray]:
    """Return truth and probabilities of the items of known classes."""
    known = (given.truth >= 0) & (given.truth < len(given.classes))
    return given.truth[known], given.probability[known]


def roc_curve(truth: IntArray, probability: FloatArray) -> FloatArray:
    """Return the true-positive rate at :data:`FALSE_POSITIVES`, averaged over classes.

    Each class is told from all others; classes without items, or without others, do not count.
    """
    curves = []
    for k, score in enumerate(probability.T):
        positive = truth == k
        if positive.any() and not positive.all():
            curves.append(_rates(score, positive))
    return np.asarray(np.mean(curves, 0)) if curves else np.full(len(FALSE_POSITIVES), np.nan)


def _rates(score: FloatArray, positive: np.ndarray) -> FloatArray:
    order = np.argsort(-score, kind="stable")
    # A threshold lies between two different scores, so ties are taken together.
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    found = np.append(0, positive[order].cumsum()[ends]) / positive.sum()
    taken = np.append(0, (~positive)[order].cumsum()[ends]) / (~positive).sum()
    return np.asarray(np.interp(FALSE_POSITIVES, taken, found))


def _colours(models: Sequence[str]) -> dict[str, str]:
    others = [name for name in models if name not in PREDICTOR_COLOURS]
    return PREDICTOR_COLOURS | {
        name: OTHER_COLOURS[place % len(OTHER_COLOURS)] for place, name in enumerate(others)
    }


def _of_suite(
    predictions: Sequence[ClassPredictions], suite: tuple[str, str], models: Sequence[str]
) -> list[ClassPredictions]:
    given = [each for each in predictions if (each.suite, each.role) == suite]
    return sorted(given, key=lambda each: models.index(each.model))


def _name(model: str) -> str:
    return PREDICTORS.get(model, model)


@matplotlib.rc_context(STYLE)
def roc_figure(
    predictions: Sequence[ClassPredictions], *, mock: bool, oracle: bool = False
) -> Figure:
    """Draw ROC curves of all networks, one panel per suite.

    Args:
        predictions: one record per model and suite, of one split. Any model that is
            not a baseline is drawn, so that several experiments can share a figure.
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.
    """
    predictions = drawn(predictions)
    suites, models = suites_of(predictions), models_of(predictions)
    colours = _colours(models)
    figure, grid = panels(1, len(suites), "ROC curves", mock=mock, oracle=oracle, panel=(3.5, 3.55))
    for axes, suite in zip(grid[0], suites, strict=True):
        items = 0
        for each in _of_suite(predictions, suite, models):
            truth, probability = known_items(each)
            if not len(truth):
                continue
            items = max(items, len(truth))
            area = number("auc", float(CLASS_METRICS["auc"](truth, probability)))
            axes.plot(
                FALSE_POSITIVES, roc_curve(truth, probability), color=colours[each.model],
                label=f"{_name(each.model)}, AUC {area}",
            )  # fmt: skip
        axes.plot([0, 1], [0, 1], color="#444444", linewidth=0.9, linestyle="--", zorder=1)
        _frame(axes, suite, items, "share of others taken for a class")
        if items:
            axes.legend(loc="lower right")
    grid[0][0].set_ylabel("share of a class found")
    return figure


def _frame(axes: Axes, suite: tuple[str, str], items: int, across: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=across)
    axes.set_title(f"{suite[0]} ({suite[1]}), n = {items}")
    if not items:
        say(axes, "no item with a known class", "upper left")


@matplotlib.rc_context(STYLE)
def reliability_figure(
    predictions: Sequence[ClassPredictions], *, mock: bool, oracle: bool = False
) -> Figure:
    """Draw how often predictions are right, by how sure they are.

    Args:
        predictions: one record per model and suite, of one split.
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.
    """
    predictions = drawn(predictions)
    suites, models = suites_of(predictions), models_of(predictions)
    colours = _colours(models)
    figure, grid = panels(
        1, len(suites), "Reliability of class probabilities", mock=mock, oracle=oracle,
        panel=(3.5, 4.0),
    )  # fmt: skip
    for axes, suite in zip(grid[0], suites, strict=True):
        items = 0
        for each in _of_suite(predictions, suite, models):
            truth, probability = known_items(each)
            if len(truth):
                items = max(items, len(truth))
                _reliability(axes, truth, probability, colours[each.model], _name(each.model))
        axes.plot([0, 1], [0, 1], color="#444444", linewidth=0.9, linestyle="--", zorder=1)
        _frame(axes, suite, items, "confidence")
        if items:
            # Below the panel: inside it, the bins of few items would lie under the text.
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
            say(axes, "too sure", "lower right")
    grid[0][0].set_ylabel("share that is right")
    return figure


def _reliability(
    axes: Axes, truth: IntArray, probability: FloatArray, colour: str, name: str
) -> None:
    confidence, place = confidence_bins(probability)
    right = probability.argmax(1) == truth
    counts = np.bincount(place, minlength=BINS)
    used = counts > 0
    x, y = (
        np.bincount(place, values, minlength=BINS)[used] / counts[used]
        for values in (confidence, right)
    )
    error = number("ece", float(CLASS_METRICS["ece"](truth, probability)))
    steady = counts[used] >= FEWEST
    label = f"{name}, ECE {error}"
    axes.plot(x[steady], y[steady], color=colour, linewidth=1.0, label=label)
    axes.scatter(x, y, s=8 + 160 * counts[used] / counts.sum(), color=colour, alpha=0.6, zorder=3)


@matplotlib.rc_context(STYLE)
def proportions_figure(
    predictions: Sequence[ClassPredictions], *, mock: bool, oracle: bool = False
) -> Figure:
    """Draw how often each class occurs, and how often each network says so.

    Items of unknown class are left out; without any label, only predictions are drawn.

    Args:
        predictions: one record per model and suite, of one split.
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.
    """
    predictions = drawn(predictions)
    suites, models = suites_of(predictions), models_of(predictions)
    classes = predictions[0].classes
    colours = _colours(models)
    figure, grid = panels(
        1, len(suites), "Class proportions: true and predicted", mock=mock, oracle=oracle,
        panel=(max(3.5, 0.95 * len(classes)), 3.0), share=True,
    )  # fmt: skip
    entries: dict[str, Artist] = {}
    for axes, suite in zip(grid[0], suites, strict=True):
        given = _of_suite(predictions, suite, models)
        for place, (name, colour, shares) in enumerate(_shares(given, colours)):
            width = 0.8 / (len(given) + 1)
            axes.bar(
                np.arange(len(classes)) + (place - len(given) / 2) * width, shares, width,
                color=colour, label=name, zorder=3,
            )  # fmt: skip
        axes.set_xticks(range(len(classes)), classes, rotation=20 if len(classes) > 3 else 0)
        axes.set_title(f"{suite[0]} ({suite[1]})")
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        found = zip(*axes.get_legend_handles_labels(), strict=True)
        entries |= {label: artist for artist, label in found}
    grid[0][0].set_ylabel("share of items")
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=len(entries) or 1)
    return figure


def _shares(
    given: Sequence[ClassPredictions], colours: dict[str, str]
) -> list[tuple[str, str, FloatArray]]:
    """Return name, colour and shares ``[K]`` of the truth and of every network."""
    truth, probability = known_items(given[0])
    drawn_: list[tuple[str, str, FloatArray]] = []
    if len(truth):
        drawn_.append(("true", "#444444", true_shares(confusion(truth, probability))))
    for each in given:
        unknown = each.truth == len(each.classes)
        said = each.probability[~unknown]
        shares = predicted_shares(confusion(said.argmax(1), said))
        colour = colours.get(each.model, BLUE)
        drawn_.append((f"predicted by {_name(each.model)}", colour, shares))
    return drawn_
