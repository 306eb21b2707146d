"""Figures of predicted classes: confusion, ROC curves, proportions, reliability and novelty."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter, PercentFormatter

from dagnn.evaluation.measure import PREDICTORS
from dagnn.evaluation.wording import number
from dagnn.records import ClassPredictions, FloatArray, IntArray
from dagnn.report.figures import style
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
OTHER_COLOURS = (style.GREEN, style.PINK, "#E69F00", "#56B4E9", style.GREY)
"""Of networks that are neither the model nor source-only (other experiments in one figure)."""
SUITE_COLOURS = (style.BLUE, style.GREEN, style.PINK, "#E69F00", "#56B4E9")


def _known(given: ClassPredictions) -> tuple[IntArray, FloatArray]:
    """Return truth and probabilities of the items of known classes."""
    known = (given.truth >= 0) & (given.truth < len(given.classes))
    return given.truth[known], given.probability[known]


def _colours(predictions: Sequence[ClassPredictions]) -> dict[str, str]:
    others = [name for name in style.models_of(predictions) if name not in style.PREDICTOR_COLOURS]
    return style.PREDICTOR_COLOURS | {
        name: OTHER_COLOURS[place % len(OTHER_COLOURS)] for place, name in enumerate(others)
    }


def _name(model: str) -> str:
    return PREDICTORS.get(model, model)


@style.styled
def confusion_figure(predictions: Sequence[ClassPredictions]) -> Figure:
    """Draw confusion matrices: one row per network, one column per suite.

    Shades are shares of a row (a true class), so the diagonal holds the recalls.

    Args:
        predictions: one record per model and suite, of one split.
    """
    predictions = style.drawn(predictions)
    suites, models = style.suites_of(predictions), style.models_of(predictions)
    side = max(3.2, 0.72 * len(predictions[0].classes) + 1.1)
    title = "Confusion: what each class is taken for"
    figure, grid = style.panels(len(models), len(suites), title, panel=(side + 0.3, side))
    by_panel = {(each.suite, each.role, each.model): each for each in predictions}
    for row, model in zip(grid, models, strict=True):
        for axes, (suite, role) in zip(row, suites, strict=True):
            axes.set_title(f"{suite} ({role}) · {_name(model)}")
            if (suite, role, model) in by_panel:
                _confusion_panel(axes, by_panel[suite, role, model])
            else:
                axes.set_axis_off()
        row[0].set_ylabel("true class")
    for axes in grid[-1]:
        axes.set_xlabel("predicted class")
    return figure


def _confusion_panel(axes: Axes, given: ClassPredictions) -> None:
    counts = counts_of(given)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    names = [*given.classes, "unknown"][: len(counts)]
    axes.set_xticks(range(len(given.classes)), given.classes, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if not counts.sum():
        style.corner_text(axes, "no item with a label", "upper left")
        return
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        text = "–" if np.isnan(share) else f"{share:.0%}\n{count:.0f}"
        axes.text(
            column, row, text, ha="center", va="center", fontsize=8, linespacing=1.2,
            color="white" if share > 0.55 else "#1c2127",
            weight="bold" if row == column else "normal",
        )  # fmt: skip


def counts_of(given: ClassPredictions) -> FloatArray:
    """Count labelled items by true class (rows) and predicted class, ``[K or K + 1, K]``.

    The last row is there only where some items belong to no known class.
    """
    labelled = given.truth >= 0
    rows = len(given.classes) + int((given.truth == len(given.classes)).any())
    counts = np.zeros((rows, len(given.classes)))
    np.add.at(counts, (given.truth[labelled], given.probability[labelled].argmax(1)), 1)
    return counts


def _curves(
    predictions: Sequence[ClassPredictions],
    title: str,
    draw: Callable[[Axes, IntArray, FloatArray, str, str], None],
    across: str,
    height: float,
) -> tuple[Figure, list[Axes]]:
    """Draw one curve per network; ``draw`` gets truth, probabilities, colour and name."""
    predictions = style.drawn(predictions)
    colours = _colours(predictions)

    def panel(axes: Axes, given: Sequence[ClassPredictions]) -> int:
        items = 0
        for each in given:
            truth, probability = _known(each)
            if len(truth):
                items = max(items, len(truth))
                draw(axes, truth, probability, colours[each.model], _name(each.model))
        style.diagonal(axes)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=across)
        if not items:
            style.corner_text(axes, "no item with a known class", "upper left")
        return items

    return style.suite_panels(predictions, title, panel, panel=(3.5, height), share=False)


@style.styled
def roc_figure(predictions: Sequence[ClassPredictions]) -> Figure:
    """Draw ROC curves of all networks, one panel per suite.

    Args:
        predictions: one record per model and suite, of one split. Any model that is
            not a baseline is drawn, so that several experiments can share a figure.
    """
    across = "share of others taken for a class"
    figure, row = _curves(predictions, "ROC curves", _roc, across, height=3.55)
    for axes in row:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower right")
    row[0].set_ylabel("share of a class found")
    return figure


def _roc(axes: Axes, truth: IntArray, probability: FloatArray, colour: str, name: str) -> None:
    area = number("auc", float(CLASS_METRICS["auc"](truth, probability)))
    curve = roc_curve(truth, probability)
    axes.plot(FALSE_POSITIVES, curve, color=colour, label=f"{name}, AUC {area}")


def roc_curve(truth: IntArray, probability: FloatArray) -> FloatArray:
    """Return the true-positive rate at :data:`FALSE_POSITIVES`, averaged over classes.

    Each class is compared with all others; classes without items, or without others, do not
    count.
    """
    # Imported here: it takes long, and most runs have no classes.
    from sklearn.metrics import roc_curve as of_two

    curves = []
    for k, score in enumerate(probability.T):
        positive = truth == k
        if positive.any() and not positive.all():
            false, true, _ = of_two(positive, score, drop_intermediate=False)
            curves.append(np.interp(FALSE_POSITIVES, false, true))
    return np.asarray(np.mean(curves, 0)) if curves else np.full(len(FALSE_POSITIVES), np.nan)


@style.styled
def reliability_figure(predictions: Sequence[ClassPredictions]) -> Figure:
    """Draw how often predictions are right, by how sure they are.

    Args:
        predictions: one record per model and suite, of one split.
    """
    title = "Reliability of class probabilities"
    figure, row = _curves(predictions, title, _reliability, "confidence", height=4.0)
    for axes in row:
        if axes.get_legend_handles_labels()[0]:
            # Below the panel: inside it, the bins of few items would lie under the text.
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16))
            style.corner_text(axes, "too sure", "lower right")
    row[0].set_ylabel("share that is right")
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
    axes.plot(x[steady], y[steady], color=colour, linewidth=1.0, label=f"{name}, ECE {error}")
    axes.scatter(x, y, s=8 + 160 * counts[used] / counts.sum(), color=colour, alpha=0.6, zorder=3)


@style.styled
def proportions_figure(predictions: Sequence[ClassPredictions]) -> Figure:
    """Draw how often each class occurs, and how often each network predicts it.

    Items of unknown class are left out; without any label, only predictions are drawn.

    Args:
        predictions: one record per model and suite, of one split.
    """
    predictions = style.drawn(predictions)
    classes, colours = predictions[0].classes, _colours(predictions)

    def panel(axes: Axes, given: Sequence[ClassPredictions]) -> None:
        width = 0.8 / (len(given) + 1)
        for place, (name, colour, shares) in enumerate(_shares(given, colours)):
            middle = np.arange(len(classes)) + (place - len(given) / 2) * width
            axes.bar(middle, shares, width, color=colour, label=name, zorder=3)
        axes.set_xticks(range(len(classes)), classes, rotation=20 if len(classes) > 3 else 0)
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))

    size = (max(3.5, 0.95 * len(classes)), 3.0)
    title = "Class proportions: true and predicted"
    figure, row = style.suite_panels(predictions, title, panel, panel=size)
    row[0].set_ylabel("share of items")
    style.shared_legend(figure, row)
    return figure


def _shares(
    given: Sequence[ClassPredictions], colours: dict[str, str]
) -> list[tuple[str, str, FloatArray]]:
    """Return name, colour and shares ``[K]`` of the truth and of every network."""
    truth, probability = _known(given[0])
    found: list[tuple[str, str, FloatArray]] = []
    if len(truth):
        found.append(("true", "#444444", true_shares(confusion(truth, probability))))
    for each in given:
        kept = each.probability[each.truth != len(each.classes)]
        shares = predicted_shares(confusion(kept.argmax(1), kept))
        found.append((f"predicted by {_name(each.model)}", colours[each.model], shares))
    return found


@style.styled
def novelty_figure(predictions: Sequence[ClassPredictions]) -> Figure:
    """Draw which share of the items has a novelty above any value, one panel per network.

    Items of unknown class have a line of their own, where there are labels.

    Args:
        predictions: one record per model and suite, of one split; those of unknown novelty
            are left out.

    Raises:
        ValueError: nothing is left to draw.
    """
    given = style.drawn([each for each in predictions if each.novelty is not None])
    models = style.models_of(given)
    title = "Novelty: distance from what was taught"
    figure, (row,) = style.panels(1, len(models), title, panel=(4.4, 3.2), share=True)
    for axes, model in zip(row, models, strict=True):
        colours = iter(SUITE_COLOURS * len(given))
        for each in (each for each in given if each.model == model):
            _novelty_lines(axes, each, next(colours))
        axes.axvline(1, color=style.GREY, linestyle=":", label="above: called unknown")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set(title=_name(model), xlabel="novelty")
    row[0].set_ylabel("share of items above it")
    handles, labels = row[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 3))
    return figure


def _novelty_lines(axes: Axes, given: ClassPredictions, colour: str) -> None:
    """Draw items of unknown class, and the others."""
    assert given.novelty is not None
    unknown = given.truth == len(given.classes)
    title = f"{given.suite} ({given.role})"
    known = f"{title}, known classes" if unknown.any() else title
    for rows, name in ((unknown, f"{title}, unknown class"), (~unknown, known)):
        if rows.any():
            values = np.sort(np.maximum(given.novelty[rows], 1e-3))
            share = 1 - np.arange(len(values)) / len(values)
            new = rows is unknown
            axes.step(
                values, share, color=style.ORANGE if new else colour, label=name, where="pre",
                zorder=4 if new else 3,
            )  # fmt: skip
