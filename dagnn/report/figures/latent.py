"""The latent map: do two suites lie on one another, and is the parameter in order?"""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dagnn.evaluation.latent import LatentMap
from dagnn.evaluation.table import PREDICTORS
from dagnn.evaluation.wording import label
from dagnn.report.figures.style import MARKERS, STYLE, panels

COLOURS = matplotlib.colormaps["viridis"]
CLASS_COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"),
    *("#8C564B", "#7F7F7F", "#BCBD22"),
)
"""Okabe & Ito 2008 and three more; with more classes they repeat."""


class _Scale(NamedTuple):
    """How values become colours, and where a colour bar has its ticks."""

    norm: Normalize
    colours: Colormap
    ticks: dict[str, float] | None


def _scale(maps: Sequence[LatentMap]) -> _Scale:
    """Return one scale for all panels: continuous for a parameter, one step per class."""
    classes = max((each.classes for each in maps), key=len)
    if classes:
        steps = [CLASS_COLOURS[k % len(CLASS_COLOURS)] for k in range(len(classes))]
        edges = [k - 0.5 for k in range(len(classes) + 1)]
        norm = BoundaryNorm(edges, len(classes))
        return _Scale(norm, ListedColormap(steps), {name: k for k, name in enumerate(classes)})
    values = np.concatenate([each.values for each in maps])
    known = values[np.isfinite(values)]
    return _Scale(
        Normalize(*((known.min(), known.max()) if len(known) else (0.0, 1.0))), COLOURS, None
    )


def _marks(maps: Sequence[LatentMap]) -> dict[tuple[str, str], str]:
    """Give every suite its own marker, the same in all panels."""
    found = dict.fromkeys(pair for each in maps for pair in zip(each.suite, each.role, strict=True))
    return {pair: MARKERS[place % len(MARKERS)] for place, pair in enumerate(found)}


def _panel(axes: Axes, given: LatentMap, marks: dict[tuple[str, str], str], scale: _Scale) -> None:
    belongs = list(zip(given.suite, given.role, strict=True))
    for pair, marker in marks.items():
        mine = np.array([each == pair for each in belongs])
        x, y = given.coords[mine].T
        known = np.isfinite(given.values[mine])
        colours = scale.colours(scale.norm(np.where(known, given.values[mine], 0.0)))
        colours[~known] = (0.6, 0.6, 0.6, 1.0)
        filled = pair[1] == "source"
        marks_drawn: PathCollection = axes.scatter(
            x, y, s=22, marker=marker, linewidths=0.3 if filled else 1.1, zorder=3,
            facecolors=colours if filled else "none",
            edgecolors="white" if filled else colours,
        )  # fmt: skip
        marks_drawn.set_gid(f"{pair[0]}-{pair[1]}")
    axes.set_title(f"{PREDICTORS.get(given.model, given.model)} · {given.method}")
    # A projection has no unit and no origin, so ticks would only mislead.
    axes.set(xticks=[], yticks=[])
    axes.margins(0.06)


def _legend(marks: dict[tuple[str, str], str]) -> list[Line2D]:
    return [
        Line2D(
            [], [], linestyle="none", marker=marker, color="#444444", markersize=5.5,
            markerfacecolor="#444444" if role == "source" else "none", label=f"{suite} ({role})",
        )
        for (suite, role), marker in marks.items()
    ]  # fmt: skip


@matplotlib.rc_context(STYLE)
def latent_figure(maps: Sequence[LatentMap], *, mock: bool, oracle: bool = False) -> Figure:
    """Draw latent maps side by side, coloured by parameter or class, marked by suite.

    Sources are filled, targets open; an item of unknown truth is grey.

    Args:
        maps: one map per network, of the same suites and parameter.
        mock: whether to stamp the figure MOCK.
        oracle: whether to stamp the figure ORACLE.
    """
    figure, grid = panels(
        1, len(maps), "What the network sees: latents of all suites",
        mock=mock, oracle=oracle, panel=(3.7, 3.5),
    )  # fmt: skip
    scale = _scale(maps)
    marks = _marks(maps)
    for axes, each in zip(grid[0], maps, strict=True):
        _panel(axes, each, marks, scale)
    colours = matplotlib.cm.ScalarMappable(scale.norm, scale.colours)
    bar = figure.colorbar(colours, ax=grid[0], label=f"true {label(maps[0].parameter)}", pad=0.02)
    if scale.ticks is not None:
        bar.set_ticks(list(scale.ticks.values()), labels=list(scale.ticks))
    figure.legend(handles=_legend(marks), loc="outside lower center", ncols=len(marks))
    return figure
