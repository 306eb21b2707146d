"""Grad-CAM maps of chosen examples, source and target, without and with adaptation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure

from dagnn.evaluation.measure import PREDICTORS
from dagnn.records import FloatArray
from dagnn.report.figures.style import STYLE, corner_text, panels
from dagnn.robustness.figures import of_members, show_image

COLOURS = "inferno"
NOTHING = "nothing speaks for it"
"""Said where a map is zero everywhere, so that nobody takes it for a map left out."""


@dataclass(frozen=True)
class Example:
    """One image and where each network looks.

    Attributes:
        image: ``[C, H, W]``.
        title: suite and true class.
        maps: network → map ``[H, W]`` in [0, 1].
        said: network → the class that it names, with its probability.
    """

    image: FloatArray
    title: str
    maps: Mapping[str, FloatArray]
    said: Mapping[str, str]


@matplotlib.rc_context(STYLE)
def gradcam_figure(examples: Sequence[Example], *, members: int = 1) -> Figure:
    """Draw examples side by side: the image, and below it the map of each network.

    Args:
        examples: at least one; all seen by the same networks.
        members: networks in each ensemble.
    """
    models = list(examples[0].maps)
    title = of_members("Where the networks look (Grad-CAM)", members)
    figure, grid = panels(1 + len(models), len(examples), title, panel=(1.85, 2.0))
    for column, example in enumerate(examples):
        show_image(grid[0][column], example.image)
        grid[0][column].set_title(example.title, fontsize=8.5)
        for row, model in enumerate(models, start=1):
            axes = grid[row][column]
            show_image(axes, example.image.mean(0, keepdims=True))
            axes.imshow(
                example.maps[model], cmap=COLOURS, origin="lower", vmin=0, vmax=1, alpha=0.6
            )
            axes.set_title(example.said[model], fontsize=8.5)
            if not example.maps[model].any():
                corner_text(axes, NOTHING, "lower right")
    for row, name in enumerate(["image", *(PREDICTORS.get(model, model) for model in models)]):
        grid[row][0].set_ylabel(name)
    return figure
