"""One look for all figures, safe for colour-blind readers and for print."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dagnn.evaluation.table import DRAWN, PREDICTORS, ROLES
from dagnn.evaluation.wording import heading
from dagnn.tasks.task import PRIOR_MEAN


class Told(Protocol):
    """What a figure reads of any predictions, of parameters or of classes."""

    @property
    def suite(self) -> str:
        """Short suite name."""
        ...

    @property
    def role(self) -> str:
        """``source``, ``target`` or ``other``."""
        ...

    @property
    def model(self) -> str:
        """Which network."""
        ...


AnyPredictions = TypeVar("AnyPredictions", bound=Told)

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
# Okabe & Ito 2008, "Color Universal Design".
BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#777777"
PREDICTOR_COLOURS = {"model": BLUE, "source-only": ORANGE, PRIOR_MEAN: GREY}
MARKERS = ("o", "^", "s", "D", "v", "P")


def panels(
    rows: int,
    columns: int,
    title: str,
    *,
    mock: bool,
    oracle: bool,
    panel: tuple[float, float] = (3.5, 3.3),
    share: bool = False,
) -> tuple[Figure, list[list[Axes]]]:
    """Make an empty figure with a grid of panels, stamped where the data are mocks.

    Args:
        rows: number of rows.
        columns: number of columns.
        title: heading of the whole figure.
        mock: whether to stamp MOCK across it.
        oracle: whether to stamp ORACLE across it.
        panel: width and height of one panel in inches.
        share: whether all panels share both axes.

    Returns:
        The figure and its axes, row by row.
    """
    figure = Figure(figsize=(panel[0] * columns, panel[1] * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
    figure.suptitle(heading(title, mock, oracle), weight="bold")
    stamp = " · ".join(mark for mark, shown in (("MOCK", mock), ("ORACLE", oracle)) if shown)
    if stamp:
        size = 190 * min(panel[0] * columns, 2 * panel[1] * rows) / 7 / max(len(stamp), 4) * 2
        figure.text(
            0.5, 0.48, stamp, fontsize=size, weight="bold", color=ORANGE, alpha=0.13,
            ha="center", va="center", rotation=25, zorder=10, in_layout=False,
        )  # fmt: skip
    return figure, [list(row) for row in grid]


def drawn(predictions: Sequence[AnyPredictions]) -> list[AnyPredictions]:
    """Leave out baselines and oracles: they stand in tables, and would crowd a figure.

    Raises:
        ValueError: nothing is left to draw.
    """
    kept = [each for each in predictions if each.model in DRAWN or each.model not in PREDICTORS]
    if not kept:
        raise ValueError(f"Nothing to draw: none of the predictions is of {' or '.join(DRAWN)}.")
    return kept


def suites_of(predictions: Sequence[Told]) -> list[tuple[str, str]]:
    """Return suite and role of every suite, sources first."""
    found = dict.fromkeys((each.suite, each.role) for each in predictions)
    return sorted(found, key=lambda suite: ROLES.index(suite[1]))


def models_of(predictions: Sequence[Told]) -> list[str]:
    """Return the models that predicted, the least informed first."""
    order = list(PREDICTORS)
    found = dict.fromkeys(each.model for each in predictions)
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def say(axes: Axes, text: str, corner: Literal["upper left", "lower right"]) -> None:
    """Write small text into a corner of a panel, readable over data."""
    x, y, across, up = (0.04, 0.96, "left", "top")
    if corner == "lower right":
        x, y, across, up = (0.96, 0.04, "right", "bottom")
    box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    axes.text(
        x, y, text, transform=axes.transAxes, ha=across, va=up, fontsize=8.5,
        linespacing=1.35, bbox=box,
    )  # fmt: skip
