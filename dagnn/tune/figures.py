"""Figures of a study: history, importances, slices, Pareto front, and what the choice costs.

They are ours, as ``optuna.visualization.matplotlib`` draws through the global state of pyplot
in a style of its own, and marks neither pruned nor chosen trials.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from optuna.distributions import CategoricalDistribution

from dagnn.report.figures.style import BLUE, GREEN, GREY, ORANGE, PINK, STYLE, panels, stamp
from dagnn.tune.outcomes import Choice, Outcome
from dagnn.tune.study import Study

COLUMNS = 3
MARKS = (("D", GREEN), ("*", ORANGE), ("s", PINK), ("+", "black"))


@matplotlib.rc_context(STYLE)
def study_figures(
    study: Study,
    outcomes: Sequence[Outcome],
    found: Sequence[Choice],
    importance: Mapping[str, float],
) -> dict[str, Figure]:
    """Draw every figure that the trials allow, in reading order.

    Args:
        study: what is searched.
        outcomes: of all trials, one or more of them complete.
        found: trials to mark.
        importance: of each key; may be empty.
    """
    complete = [outcome for outcome in outcomes if outcome.state == "complete"]
    pruned = [outcome.number for outcome in outcomes if outcome.state == "pruned"]
    mock = any(outcome.mock for outcome in outcomes)
    figures = {"history": _history(study.objectives, complete, pruned)}
    if importance:
        figures["importance"] = _importance(importance, study.objectives[0])
    figures["slices"] = _slices(study, complete, found)
    known = [
        name
        for name in study.scores
        if any(math.isfinite(outcome.scores.get(name, math.nan)) for outcome in outcomes)
    ]
    pairs = [("source_error", name) for name in known if name not in ("source_error", "source_nll")]
    if len(study.objectives) > 1:
        pairs = list(combinations(study.objectives, 2))
    if pairs:
        figures["pareto"] = _pareto(complete, pairs)
    if any(choice.oracle for choice in found):
        figures["cost"] = _cost(complete, known, found)
    for name, figure in figures.items():
        stamp(figure, mock=mock, oracle=name == "cost")
    return figures


def short(key: str) -> str:
    """Return the part of a dotted key that distinguishes it for a reader.

    Example:
        >>> short("loss.terms.mmd.weight"), short("training.learning_rate")
        ('mmd.weight', 'learning_rate')
    """
    parts = key.split(".")
    return ".".join(parts[-2:] if parts[0] in ("loss", "model") and len(parts) > 2 else parts[-1:])


def _history(names: Sequence[str], complete: Sequence[Outcome], pruned: Sequence[int]) -> Figure:
    """Draw every objective over the trials, the best so far as a line."""
    figure, grid = panels(1, len(names), "Trials in their order", panel=(4.6, 3.2))
    numbers = [outcome.number for outcome in complete]
    for axes, name in zip(grid[0], names, strict=True):
        values = np.array([outcome.objectives[name] for outcome in complete])
        best = np.minimum.accumulate(values)
        axes.plot(numbers, values, "o", color=BLUE, markersize=4, label="complete")
        axes.step(numbers, best, where="post", color=ORANGE, label="best so far")
        if pruned:
            top = [values.max()] * len(pruned)
            axes.plot(pruned, top, "x", color=GREY, markersize=4, label="pruned")
        axes.set_xlabel("trial")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    return figure


def _importance(importance: Mapping[str, float], objective: str) -> Figure:
    """Draw the share of each key in the objective's variation."""
    size = (5.2, 0.8 + 0.3 * len(importance))
    title = f"Importance for {objective}"
    figure, grid = panels(1, 1, title, panel=size)
    axes = grid[0][0]
    keys = list(importance)[::-1]
    axes.barh(keys, [importance[key] for key in keys], color=BLUE)
    axes.set_xlabel("share (PED-ANOVA)")
    axes.grid(axis="y", visible=False)
    return figure


def _slices(study: Study, complete: Sequence[Outcome], found: Sequence[Choice]) -> Figure:
    """Draw the first objective over each key, darker the later the trial."""
    name, keys = study.objectives[0], study.space.keys
    columns = min(COLUMNS, len(keys))
    figure, grid = panels(
        math.ceil(len(keys) / columns), columns, f"{name} over each key · darker is later",
        panel=(3.1, 2.7),
    )  # fmt: skip
    all_axes = [axes for row in grid for axes in row]
    for axes, key in zip(all_axes, keys, strict=False):
        _slice(axes, study, key, [o for o in complete if key in o.values], found)
    for axes in all_axes[len(keys) :]:
        axes.set_axis_off()
    handles, labels = all_axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _slice(
    axes: Axes, study: Study, key: str, drawn: Sequence[Outcome], found: Sequence[Choice]
) -> None:
    name, dimension = study.objectives[0], study.space.dimensions[key]
    categorical = isinstance(dimension.distribution, CategoricalDistribution)

    def place(outcome: Outcome) -> float:
        value = outcome.values[key]
        return float(dimension.edges.index(value) if categorical else value)

    axes.scatter(
        [place(outcome) for outcome in drawn],
        [outcome.objectives[name] for outcome in drawn],
        c=[outcome.number for outcome in drawn],
        cmap="Blues",
        vmin=-max([outcome.number for outcome in drawn], default=1) / 2,
        s=18,
    )
    for choice, mark in zip(found, MARKS, strict=False):
        if not choice.oracle and key in choice.outcome.values:
            _mark(axes, place(choice.outcome), choice.outcome.objectives[name], mark, choice)
    if categorical:
        axes.set_xticks(range(len(dimension.edges)), list(map(str, dimension.edges)))
    elif dimension.log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(short(key))
    axes.set_ylabel(name)


def _mark(axes: Axes, x: float, y: float, mark: tuple[str, str], choice: Choice) -> None:
    marker, colour = mark
    axes.plot(
        x, y, marker, color=colour, markersize=9, linestyle="", fillstyle="none",
        label=choice.label,
    )  # fmt: skip


def _pareto(complete: Sequence[Outcome], pairs: Sequence[tuple[str, str]]) -> Figure:
    """Draw pairs of label-free scores with the trials that no other beats in both."""
    title = "Scores against each other · lower left is better"
    figure, grid = panels(1, len(pairs), title, panel=(3.9, 3.3))
    for axes, (x, y) in zip(grid[0], pairs, strict=True):
        points = np.array([[outcome.scores[x], outcome.scores[y]] for outcome in complete])
        points = points[np.isfinite(points).all(1)]
        front = points[pareto_front(points)]
        front = front[np.argsort(front[:, 0])]
        axes.plot(*points.T, "o", color=BLUE, markersize=4, alpha=0.7)
        axes.step(*front.T, where="post", color=ORANGE, marker="o", markersize=4, label="front")
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.legend()
    return figure


def pareto_front(points: np.ndarray) -> np.ndarray:
    """Return which rows of ``[n, 2]`` no other row beats in both columns.

    Example:
        >>> pareto_front(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])).tolist()
        [True, True, False]
    """
    better = (points[:, None] <= points[None]).all(-1) & (points[:, None] < points[None]).any(-1)
    return np.asarray(~better.any(0))


def _cost(complete: Sequence[Outcome], scores: Sequence[str], found: Sequence[Choice]) -> Figure:
    """Draw the error on labelled target items over each label-free score. It is an ORACLE's."""
    title = "Does the score choose well?"
    figure, grid = panels(1, len(scores), title, panel=(3.3, 3.1))
    labelled = [outcome for outcome in complete if "error" in outcome.target]
    for axes, name in zip(grid[0], scores, strict=True):
        axes.plot(
            [outcome.scores.get(name, math.nan) for outcome in labelled],
            [outcome.target["error"] for outcome in labelled],
            "o", color=BLUE, markersize=4, alpha=0.7,
        )  # fmt: skip
        for choice, mark in zip(found, MARKS, strict=False):
            x = choice.outcome.scores.get(name, math.nan)
            _mark(axes, x, choice.outcome.target.get("error", math.nan), mark, choice)
        axes.set_xlabel(name)
        axes.set_ylabel("target error")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
