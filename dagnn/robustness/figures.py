"""Robustness: curves against noise, attacked images, and church windows."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch
from matplotlib.ticker import PercentFormatter

from dagnn.evaluation.measure import PREDICTORS
from dagnn.records import FloatArray, IntArray
from dagnn.report.figures.style import (
    BLUE,
    CLASS_COLOURS,
    ORANGE,
    PREDICTOR_COLOURS,
    STYLE,
    panels,
)
from dagnn.robustness.church import ChurchWindow
from dagnn.robustness.measures import Robustness

SHOWN: Mapping[str, str] = {
    "accuracy": "balanced accuracy",
    "flip_rate": "share of decisions flipped",
    "relative_distance": "latent distance / spread of a class",
}


def of_members(title: str, members: int) -> str:
    """Say in a title that the networks are ensembles, where they are."""
    return title if members == 1 else f"{title} · ensembles of {members}"


@matplotlib.rc_context(STYLE)
def noise_figure(rows: Sequence[Robustness], *, members: int = 1) -> Figure:
    """Draw accuracy, flipped decisions and latent distance against the strength of noise.

    Args:
        rows: of :func:`~dagnn.robustness.measures.noise_sweep`, of one kind of noise;
            networks have colours, suites line styles.
        members: networks in each ensemble.
    """
    title = of_members(f"Against {rows[0].change.capitalize()} noise", members)
    figure, grid = panels(1, len(SHOWN), title, panel=(3.3, 3.0))
    suites = list(dict.fromkeys(row.suite for row in rows))
    curves = dict.fromkeys((row.suite, row.model) for row in rows)
    entries: dict[str, Artist] = {}
    for axes, (name, title) in zip(grid[0], SHOWN.items(), strict=True):
        for suite, model in curves:
            mine = [row for row in rows if (row.suite, row.model) == (suite, model)]
            (line,) = axes.plot(
                [row.level for row in mine], [getattr(row, name) for row in mine], marker="o",
                markersize=3.5, color=PREDICTOR_COLOURS.get(model, BLUE),
                linestyle=("-", "--", ":", "-.")[suites.index(suite) % 4],
            )  # fmt: skip
            entries[f"{suite} · {PREDICTORS.get(model, model)}"] = line
        axes.set(xlabel="strength of the noise", ylabel=title)
        axes.set_ylim(bottom=0, top=1.02 if name != "relative_distance" else None)
        if name != "relative_distance":
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=min(4, len(entries)))
    return figure


def show_image(axes: Axes, image: FloatArray) -> None:
    """Draw an image ``[C, H, W]``: three channels in colour, others as their mean in grey."""
    colour = image.transpose(1, 2, 0) if len(image) == 3 else image.mean(0)
    low, high = np.percentile(colour, [0.5, 99.8])
    shown = np.clip((colour - low) / max(high - low, 1e-12), 0, 1)
    axes.imshow(shown, cmap="gray", origin="lower", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)


@matplotlib.rc_context(STYLE)
def attack_figure(
    images: FloatArray,
    attacked: FloatArray,
    pixels: FloatArray,
    titles: Sequence[tuple[str, str]],
    *,
    members: int = 1,
) -> Figure:
    """Draw images above their attacked selves, with a ring around the changed pixel.

    Args:
        images: ``[n, C, H, W]``.
        attacked: ``[n, C, H, W]``.
        pixels: row and column first, ``[n, 2 + C]``.
        titles: what was decided before and after, ``n`` of them.
        members: networks in each ensemble.
    """
    title = of_members("One changed pixel", members)
    figure, grid = panels(2, len(images), title, panel=(1.9, 2.0))
    for column, (before, after) in enumerate(titles):
        for row, (picture, title) in enumerate(((images, before), (attacked, after))):
            show_image(grid[row][column], picture[column])
            grid[row][column].set_title(title, fontsize=8.5)
        radius = max(2.0, 0.05 * images.shape[-1])
        place = (pixels[column, 1], pixels[column, 0])
        ring = Circle(place, radius, fill=False, edgecolor=ORANGE, linewidth=1.4)
        grid[1][column].add_patch(ring)
    for axes, name in zip((row[0] for row in grid), ("original", "attacked"), strict=True):
        axes.set_ylabel(name)
    return figure


@matplotlib.rc_context(STYLE)
def church_figure(
    windows: Mapping[str, ChurchWindow],
    classes: Sequence[str],
    *,
    members: int = 1,
) -> Figure:
    """Draw church windows side by side.

    Args:
        windows: network → window.
        classes: names of the classes.
        members: networks in each ensemble.
    """
    title = of_members("Decisions on a plane in latent space", members)
    figure, grid = panels(1, len(windows), title, panel=(3.2, 3.8))
    steps = [CLASS_COLOURS[k % len(CLASS_COLOURS)] for k in range(len(classes))]
    norm = BoundaryNorm([k - 0.5 for k in range(len(classes) + 1)], len(classes))
    for axes, (title, window) in zip(grid[0], windows.items(), strict=True):
        _window(axes, window, ListedColormap(steps), norm)
        axes.set_title(PREDICTORS.get(title, title))
    grid[0][0].set_ylabel("towards the attacked image")
    marks = [
        Line2D([], [], linestyle="none", marker=marker, color="white", markeredgecolor="black",
               markersize=8, label=name)
        for name, marker in (("image", "o"), ("with noise", "s"), ("attacked", "*"))
    ]  # fmt: skip
    seen = sorted({int(k) for window in windows.values() for k in np.unique(window.classes)})
    patches = [Patch(color=steps[k], alpha=0.55, label=classes[k]) for k in seen]
    figure.legend(handles=[*marks, *patches], loc="outside lower center", ncols=6)
    return figure


def _window(axes: Axes, window: ChurchWindow, colours: ListedColormap, norm: BoundaryNorm) -> None:
    classes: IntArray = window.classes
    axes.pcolormesh(
        window.across, window.up, classes, cmap=colours, norm=norm, alpha=0.55, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    places = (((0.0, 0.0), "o"), (window.noisy, "s"), (window.attacked, "*"))
    for place, marker in places:
        axes.plot(
            *place, marker=marker, color="white", markeredgecolor="black", zorder=4,
            markersize=12 if marker == "*" else 8,
        )  # fmt: skip
    axes.grid(visible=False)
    axes.set(aspect="equal", xlabel="towards the noisy image")
