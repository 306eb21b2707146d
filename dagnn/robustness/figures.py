"""Show robustness: as a section of a page, and as figures."""

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
from scipy.stats import binomtest

from dagnn.evaluation.measure import PREDICTORS
from dagnn.records import FloatArray
from dagnn.report.figures.style import (
    BLUE,
    CLASS_COLOURS,
    ORANGE,
    PREDICTOR_COLOURS,
    STYLE,
    corner_text,
    panels,
)
from dagnn.report.sections import Section
from dagnn.robustness.changes import NOISES, ONE_PIXEL, PAIRED, Robustness
from dagnn.robustness.examine import Examination, Example, Flip
from dagnn.robustness.images import ChurchWindow

CURVES: Mapping[str, str] = {
    "accuracy": "balanced accuracy",
    "flip_rate": "share of decisions flipped",
    "relative_distance": "latent distance / spread of a class",
}
NOTHING = "nothing speaks for it"
"""Written where a map is zero everywhere, so that nobody takes it for a map left out."""
TEXT = (
    "What changes, and how the networks bear it, source-only being the one without adaptation. "
    "Balanced accuracy is that on the changed images; flipped is the share of images whose "
    "predicted class changes, with a 95% interval (those of two networks come from the same "
    "images, so whether they overlap does not decide which network is more robust); the distance "
    "that the latent moves is given as it is and in units of the spread of unchanged latents "
    "within their classes, without which networks cannot be compared."
)
TEXT_PAIRED = (
    "Same objects: pairs of images of one object by two surveys, of objects that neither "
    "training nor selection has seen."
)
TEXT_NOISE = (
    "Noise of strength s: at the mean brightness of an image (Poisson, growing with the root of "
    "the brightness) or everywhere (Gaussian, in units of the contrast) its standard deviation "
    "is s."
)


def robustness_section(rows: Sequence[Robustness]) -> Section:
    """Lay out measurements for a page, the networks below one another for every change."""
    suites = list(dict.fromkeys(row.suite for row in rows))
    models = list(dict.fromkeys(row.model for row in rows))

    def place(row: Robustness) -> tuple[float, ...]:
        """Sort pairs first, then of every suite the attack and rising noise."""
        level = row.level if row.change in NOISES else -1.0
        return row.change != PAIRED, suites.index(row.suite), level, models.index(row.model)

    lines: list[tuple[str, ...]] = [
        (
            f"{row.suite} · {_change(row)} · {PREDICTORS.get(row.model, row.model)}",
            f"{row.items}",
            f"{row.accuracy:.1%}",
            _share(row.flip_rate, row.items),
            f"{row.distance:.3g}",
            f"{row.relative_distance:.2f}",
        )
        for row in sorted(rows, key=place)
    ]
    columns = (
        "suite · change · network", "images", "balanced accuracy", "flipped", "distance",
        "distance / spread",
    )  # fmt: skip
    kinds = {row.change for row in rows}
    texts = [TEXT]
    if PAIRED in kinds:
        texts.append(TEXT_PAIRED)
    if kinds & set(NOISES):
        texts.append(TEXT_NOISE)
    return Section("Robustness", [columns, *lines], " ".join(texts))


def _change(row: Robustness) -> str:
    """Describe what was changed."""
    if row.change not in NOISES:
        names = {PAIRED: "same objects", ONE_PIXEL: "one pixel changed"}
        return names.get(row.change, row.change)
    return f"{row.change.capitalize()} noise {row.level:g}" if row.level else "unchanged"


def _share(share: float, items: int) -> str:
    """Write a share with its 95% interval (Wilson 1927, J. Am. Stat. Assoc. 22, 209)."""
    low, high = binomtest(round(share * items), items).proportion_ci(method="wilson")
    return f"{share:.0%} [{100 * low:.0f}, {100 * high:.0f}]"


@matplotlib.rc_context(STYLE)
def examination_figures(found: Examination, classes: Sequence[str]) -> dict[str, Figure]:
    """Draw everything that there is to draw, in reading order; titles mention ensembles."""
    figures: dict[str, Figure] = {}
    if noisy := [row for row in found.rows if row.change in NOISES]:
        figures["noise"] = noise_figure(noisy)
    if found.flips:
        figures["attack"] = attack_figure(found.flips)
    if found.windows:
        figures["church"] = church_figure(found.windows, classes)
    if found.examples:
        figures["gradcam"] = gradcam_figure(found.examples)
    if found.members > 1:
        for figure in figures.values():
            title = f"{figure.get_suptitle()} · ensembles of {found.members}"
            figure.suptitle(title, weight="bold")
    return figures


@matplotlib.rc_context(STYLE)
def noise_figure(rows: Sequence[Robustness]) -> Figure:
    """Draw accuracy, flipped decisions and latent distance against the strength of noise.

    Args:
        rows: of :func:`~dagnn.robustness.examine.noise_sweep`, of one kind of noise;
            networks have colours, suites line styles.
    """
    title = f"Against {rows[0].change.capitalize()} noise"
    figure, grid = panels(1, len(CURVES), title, panel=(3.3, 3.0))
    suites = list(dict.fromkeys(row.suite for row in rows))
    curves = dict.fromkeys((row.suite, row.model) for row in rows)
    entries: dict[str, Artist] = {}
    for axes, (name, title) in zip(grid[0], CURVES.items(), strict=True):
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
def attack_figure(flips: Sequence[Flip]) -> Figure:
    """Draw images above the attacked ones, with a ring around the changed pixel."""
    figure, grid = panels(2, len(flips), "One changed pixel", panel=(1.9, 2.0))
    for column, flip in enumerate(flips):
        for row, picture in enumerate(((flip.image, flip.before), (flip.attacked, flip.after))):
            show_image(grid[row][column], picture[0])
            grid[row][column].set_title(picture[1], fontsize=8.5)
        radius = max(2.0, 0.05 * flip.image.shape[-1])
        place = (flip.pixel[1], flip.pixel[0])
        ring = Circle(place, radius, fill=False, edgecolor=ORANGE, linewidth=1.4)
        grid[1][column].add_patch(ring)
    for axes, name in zip((row[0] for row in grid), ("original", "attacked"), strict=True):
        axes.set_ylabel(name)
    return figure


@matplotlib.rc_context(STYLE)
def church_figure(windows: Mapping[str, ChurchWindow], classes: Sequence[str]) -> Figure:
    """Draw church windows side by side.

    Args:
        windows: network → window.
        classes: names of the classes.
    """
    title = "Decisions on a plane in latent space"
    figure, grid = panels(1, len(windows), title, panel=(3.2, 3.8))
    steps = [CLASS_COLOURS[k % len(CLASS_COLOURS)] for k in range(len(classes))]
    norm = BoundaryNorm([k - 0.5 for k in range(len(classes) + 1)], len(classes))
    for axes, (name, window) in zip(grid[0], windows.items(), strict=True):
        axes.pcolormesh(
            window.across, window.up, window.classes, cmap=ListedColormap(steps), norm=norm,
            alpha=0.55, shading="nearest", rasterized=True,
        )  # fmt: skip
        for place, marker in (((0.0, 0.0), "o"), (window.noisy, "s"), (window.attacked, "*")):
            axes.plot(
                *place, marker=marker, color="white", markeredgecolor="black", zorder=4,
                markersize=12 if marker == "*" else 8,
            )  # fmt: skip
        axes.grid(visible=False)
        axes.set(aspect="equal", xlabel="towards the noisy image")
        axes.set_title(PREDICTORS.get(name, name))
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


@matplotlib.rc_context(STYLE)
def gradcam_figure(examples: Sequence[Example]) -> Figure:
    """Draw examples side by side: the image, and below it the map of each network.

    Args:
        examples: at least one; all seen by the same networks.
    """
    models = list(examples[0].maps)
    title = "Where the networks look (Grad-CAM)"
    figure, grid = panels(1 + len(models), len(examples), title, panel=(1.85, 2.0))
    for column, example in enumerate(examples):
        show_image(grid[0][column], example.image)
        grid[0][column].set_title(example.title, fontsize=8.5)
        for row, model in enumerate(models, start=1):
            axes = grid[row][column]
            show_image(axes, example.image.mean(0, keepdims=True))
            heat = example.maps[model]
            axes.imshow(heat, cmap="inferno", origin="lower", vmin=0, vmax=1, alpha=0.6)
            axes.set_title(example.decisions[model], fontsize=8.5)
            if not heat.any():
                corner_text(axes, NOTHING, "lower right")
    for row, name in enumerate(["image", *(PREDICTORS.get(model, model) for model in models)]):
        grid[row][0].set_ylabel(name)
    return figure
