"""Figures of a study: history, importances, slices, Pareto front, and what the choice costs."""

import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from optuna.distributions import CategoricalDistribution

from dagnn.evaluation.figures.style import BLUE, GREEN, GREY, ORANGE, PINK, STYLE, panels
from dagnn.tune.choices import Chosen
from dagnn.tune.outcomes import Outcome
from dagnn.tune.searched import Searched
from dagnn.tune.show import short
from dagnn.tune.study import Study

COLUMNS = 3
MARKS = ("D", "*", "s", "+")
MARK_COLOURS = (GREEN, ORANGE, PINK, "black")


@matplotlib.rc_context(STYLE)
def history_figure(study: Study, outcomes: Sequence[Outcome], *, mock: bool) -> Figure:
    """Draw every objective over the trials, the best so far as a line; pruned ones below."""
    figure, grid = panels(
        1, len(study.objectives), "Trials in their order", mock=mock, oracle=False, panel=(4.6, 3.2)
    )
    done = [outcome for outcome in outcomes if outcome.state == "complete"]
    pruned = [outcome.number for outcome in outcomes if outcome.state == "pruned"]
    for axes, name in zip(grid[0], study.objectives, strict=True):
        numbers = [outcome.number for outcome in done]
        values = np.array([outcome.objectives[name] for outcome in done])
        axes.plot(numbers, values, "o", color=BLUE, markersize=4, label="complete")
        axes.step(
            numbers, np.minimum.accumulate(values), where="post", color=ORANGE, label="best so far"
        )
        if pruned:
            axes.plot(
                pruned, [values.max()] * len(pruned), "x", color=GREY, markersize=4, label="pruned"
            )
        axes.set_xlabel("trial")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    return figure


@matplotlib.rc_context(STYLE)
def importance_figure(importance: Mapping[str, float], objective: str, *, mock: bool) -> Figure:
    """Draw the share of each key in the objective's variation."""
    figure, grid = panels(
        1, 1, f"Importance for {objective}", mock=mock, oracle=False,
        panel=(5.2, 0.8 + 0.3 * len(importance)),
    )  # fmt: skip
    axes = grid[0][0]
    keys = list(importance)[::-1]
    axes.barh(keys, [importance[key] for key in keys], color=BLUE)
    axes.set_xlabel("share (PED-ANOVA)")
    axes.grid(axis="y", visible=False)
    return figure


@matplotlib.rc_context(STYLE)
def slice_figure(
    study: Study, outcomes: Sequence[Outcome], found: Sequence[Chosen], *, mock: bool
) -> Figure:
    """Draw the first objective over each key, darker the later the trial."""
    done = [outcome for outcome in outcomes if outcome.state == "complete"]
    name = study.objectives[0]
    count = len(study.space.searched)
    columns = min(COLUMNS, count)
    figure, grid = panels(
        math.ceil(count / columns), columns, f"{name} over each key · darker is later",
        mock=mock, oracle=False, panel=(3.1, 2.7),
    )  # fmt: skip
    all_axes = [axes for row in grid for axes in row]
    for axes, one in zip(all_axes, study.space.searched, strict=False):
        _slice(axes, one, [outcome for outcome in done if one.key in outcome.values], name, found)
        axes.set_ylabel(name)
    for axes in all_axes[count:]:
        axes.set_axis_off()
    handles, labels = all_axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _slice(
    axes: Axes, one: Searched, outcomes: Sequence[Outcome], name: str, found: Sequence[Chosen]
) -> None:
    categorical = isinstance(one.distribution, CategoricalDistribution)

    def place(outcome: Outcome) -> float:
        value = outcome.values[one.key]
        return float(one.edges().index(value)) if categorical else float(value)

    axes.scatter(
        [place(outcome) for outcome in outcomes],
        [outcome.objectives[name] for outcome in outcomes],
        c=[outcome.number for outcome in outcomes],
        cmap="Blues",
        vmin=-max([o.number for o in outcomes], default=1) / 2,
        s=18,
    )
    for chosen, colour, marker in zip(found, MARK_COLOURS, MARKS, strict=False):
        if not chosen.oracle and one.key in chosen.outcome.values:
            axes.plot(
                place(chosen.outcome), chosen.outcome.objectives[name], marker, color=colour,
                markersize=9, linestyle="", fillstyle="none", label=chosen.label,
            )  # fmt: skip
    if categorical:
        axes.set_xticks(range(len(one.edges())), [str(edge) for edge in one.edges()])
    elif getattr(one.distribution, "log", False):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(short(one.key))


@matplotlib.rc_context(STYLE)
def pareto_figure(
    outcomes: Sequence[Outcome], pairs: Sequence[tuple[str, str]], *, mock: bool
) -> Figure:
    """Draw pairs of label-free scores with the trials that no other beats in both.

    Args:
        outcomes: of all trials.
        pairs: scores of the horizontal and the vertical axis.
        mock: whether any of the data are synthetic.
    """
    figure, grid = panels(
        1, len(pairs), "Scores against each other · lower left is better",
        mock=mock, oracle=False, panel=(3.9, 3.3),
    )  # fmt: skip
    for axes, (x, y) in zip(grid[0], pairs, strict=True):
        points = np.array([[o.scores[x], o.scores[y]] for o in outcomes if o.state == "complete"])
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


@matplotlib.rc_context(STYLE)
def cost_figure(
    outcomes: Sequence[Outcome],
    scores: Sequence[str],
    found: Sequence[Chosen],
    *,
    mock: bool,
) -> Figure:
    """Draw the error on labelled target items over each label-free score. It is an ORACLE's."""
    done = [o for o in outcomes if o.state == "complete" and "error" in o.target]
    figure, grid = panels(
        1,
        len(scores),
        "Does the score choose well?",
        mock=mock,
        oracle=True,
        panel=(3.3, 3.1),
    )
    for axes, name in zip(grid[0], scores, strict=True):
        axes.plot(
            [o.scores.get(name, math.nan) for o in done],
            [o.target["error"] for o in done],
            "o",
            color=BLUE,
            markersize=4,
            alpha=0.7,
        )
        for chosen, colour, marker in zip(found, MARK_COLOURS, MARKS, strict=False):
            x = chosen.outcome.scores.get(name, math.nan)
            axes.plot(
                x, chosen.outcome.target.get("error", math.nan), marker, color=colour,
                markersize=9, linestyle="", label=chosen.label, fillstyle="none",
            )  # fmt: skip
        axes.set_xlabel(name)
        axes.set_ylabel("target error")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
