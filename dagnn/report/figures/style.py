"""One look for all figures, safe for colour-blind readers and for print, and how they are saved.

There is no pyplot and so no global state: figures can be drawn in threads, notebooks and
servers alike.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dagnn.evaluation.measure import DRAWN, PREDICTORS, ROLES
from dagnn.evaluation.wording import heading
from dagnn.files import atomic_path
from dagnn.records import ClassPredictions, Predictions
from dagnn.tasks.task import PRIOR_MEAN

Kind = TypeVar("Kind", Predictions, ClassPredictions)

# What a user's matplotlibrc changes (LaTeX, fonts, units of dates) must not change or break ours.
_DEFAULTS = {
    key: value
    for key, value in matplotlib.rcParamsDefault.items()
    if not key.startswith("backend") and key not in ("date.epoch", "interactive")
}
STYLE: dict[Any, Any] = _DEFAULTS | {
    "axes.axisbelow": True,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.linewidth": 0.7,
    "axes.titlesize": 10,
    "figure.dpi": 110,
    "figure.titlesize": 11,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,
    # The saved page grows with what is on it: no label is ever cut off.
    "savefig.bbox": "tight",
    "savefig.dpi": 200,
    "savefig.pad_inches": 0.08,
    # A fixed salt instead of random ids: the same figure gives the same bytes.
    "svg.hashsalt": "dagnn",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}
styled = matplotlib.rc_context(STYLE)
"""Decorates what draws, so that no setting outside changes it, and it changes none outside."""
# Okabe & Ito 2008, "Color Universal Design".
BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#777777"
PREDICTOR_COLOURS = {"model": BLUE, "source-only": ORANGE, PRIOR_MEAN: GREY}
CLASS_COLOURS = (
    *(BLUE, ORANGE, GREEN, PINK, "#E69F00", "#56B4E9", "#000000"),
    *("#8C564B", "#7F7F7F", "#BCBD22"),
)
"""Okabe & Ito 2008 and three more; with more classes they repeat."""
MARKERS = ("o", "^", "s", "D", "v", "P")
# Dates and program versions are left out, so that equal figures are equal files.
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}


def panels(
    rows: int,
    columns: int,
    title: str,
    *,
    panel: tuple[float, float] = (3.5, 3.3),
    share: bool = False,
) -> tuple[Figure, list[list[Axes]]]:
    """Make an empty figure with a grid of panels.

    Args:
        rows: number of rows.
        columns: number of columns.
        title: heading of the whole figure.
        panel: width and height of one panel in inches.
        share: whether all panels share both axes.

    Returns:
        The figure and its axes, row by row.
    """
    figure = Figure(figsize=(panel[0] * columns, panel[1] * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
    figure.suptitle(title, weight="bold")
    return figure, [list(row) for row in grid]


@styled
def stamp(figure: Figure, *, mock: bool, oracle: bool = False) -> Figure:
    """Mark a finished figure, in its title and across it, and return it.

    Args:
        figure: drawn, not saved yet.
        mock: whether any of its data are mocks.
        oracle: whether target labels chose a checkpoint behind it.
    """
    figure.suptitle(heading(figure.get_suptitle(), mock, oracle), weight="bold")
    text = " · ".join(mark for mark, shown in (("MOCK", mock), ("ORACLE", oracle)) if shown)
    if text:
        width, height = figure.get_size_inches()
        size = 190 * min(width, 2 * (height - 0.4)) / 7 / max(len(text), 4) * 2
        figure.text(
            0.5, 0.48, text, fontsize=size, weight="bold", color=ORANGE, alpha=0.13,
            ha="center", va="center", rotation=25, zorder=10, in_layout=False,
        )  # fmt: skip
    return figure


def drawn(predictions: Sequence[Kind]) -> list[Kind]:
    """Leave out baselines and oracles: they stand in tables, and would crowd a figure.

    Raises:
        ValueError: nothing is left to draw.
    """
    kept = [each for each in predictions if each.model in DRAWN or each.model not in PREDICTORS]
    if not kept:
        raise ValueError(f"Nothing to draw: none of the predictions is of {' or '.join(DRAWN)}.")
    return kept


def suites_of(predictions: Sequence[Kind]) -> list[tuple[str, str]]:
    """Return suite and role of every suite, sources first."""
    found = dict.fromkeys((each.suite, each.role) for each in predictions)
    return sorted(found, key=lambda suite: ROLES.index(suite[1]))


def models_of(predictions: Sequence[Kind]) -> list[str]:
    """Return the models that predicted, the least informed first."""
    order = list(PREDICTORS)
    found = dict.fromkeys(each.model for each in predictions)
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def suite_panels(
    predictions: Sequence[Kind],
    title: str,
    draw: Callable[[Axes, list[Kind]], int | None],
    *,
    panel: tuple[float, float] = (3.5, 3.3),
    share: bool = True,
) -> tuple[Figure, list[Axes]]:
    """Draw one panel per suite.

    Args:
        predictions: one record per model and suite.
        title: heading of the whole figure.
        draw: draws the predictions of all models on one suite, the least informed first, and
            returns the number of items for the panel's title, if it shows one.
        panel: width and height of one panel in inches.
        share: whether all panels share both axes.
    """
    suites, models = suites_of(predictions), models_of(predictions)
    figure, (row,) = panels(1, len(suites), title, panel=panel, share=share)
    for axes, (suite, role) in zip(row, suites, strict=True):
        given = [each for each in predictions if (each.suite, each.role) == (suite, role)]
        items = draw(axes, sorted(given, key=lambda each: models.index(each.model)))
        axes.set_title(f"{suite} ({role})" + ("" if items is None else f", n = {items}"))
    return figure, row


def shared_legend(figure: Figure, row: Sequence[Axes]) -> None:
    """Put one legend of all panels below them, each name once."""
    entries: dict[str, Artist] = {}
    for axes in row:
        handles, names = axes.get_legend_handles_labels()
        entries |= dict(zip(names, handles, strict=True))
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=len(entries) or 1)


def diagonal(axes: Axes) -> None:
    """Draw the dashed line of a perfect prediction from 0 to 1."""
    axes.plot([0, 1], [0, 1], color="#444444", linewidth=0.9, linestyle="--", zorder=1)


def corner_text(axes: Axes, text: str, corner: Literal["upper left", "lower right"]) -> None:
    """Write small text into a corner of a panel, readable over data."""
    x, y, across, up = (0.04, 0.96, "left", "top")
    if corner == "lower right":
        x, y, across, up = (0.96, 0.04, "right", "bottom")
    box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    axes.text(
        x, y, text, transform=axes.transAxes, ha=across, va=up, fontsize=8.5,
        linespacing=1.35, bbox=box,
    )  # fmt: skip


def _settle(figure: Figure) -> None:
    """Lay the panels out once and for all.

    The layout engine moves panels a little at every drawing; without this the
    same figure written twice would give different files.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


@styled
def save_figure(figure: Figure, folder: Path | str, name: str) -> list[Path]:
    """Write a figure as PNG (for screens) and PDF (for papers).

    Args:
        figure: what to write.
        folder: where; it is made.
        name: file name without suffix.

    Returns:
        The paths of both files.
    """
    _settle(figure)
    paths = [Path(folder) / f"{name}.{suffix}" for suffix in ("png", "pdf")]
    for path in paths:
        suffix = path.suffix.removeprefix(".")
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=suffix, metadata=_METADATA[suffix])
    return paths


@styled
def figure_svg(figure: Figure) -> bytes:
    """Return a figure as SVG with its letters as shapes, so that it needs no fonts."""
    _settle(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=_METADATA["svg"])
    return buffer.getvalue()
