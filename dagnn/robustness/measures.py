"""How far small changes of an image carry: decisions that flip, distances in the latent."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor

from dagnn.errors import UsageError, nearest
from dagnn.evaluation.measure import PREDICTORS
from dagnn.evaluation.storage import write_table
from dagnn.report.sections import Section
from dagnn.robustness.images import Look, look_at
from dagnn.tasks.classification_metrics import balanced_accuracy

PAIRED = "paired"
"""The change of a row that compares two surveys' images of the same objects."""


@dataclass(frozen=True)
class Robustness:
    """What one kind of change does to one network.

    Attributes:
        model: ``model`` or ``source-only``.
        suite: short suite name; of pairs both, ``y10 → y1``.
        change: ``gaussian``, ``poisson``, ``one-pixel``, or ``paired`` for images of the
            same objects by another survey.
        level: strength of the noise; NaN where there is none.
        items: number of images, or of pairs.
        accuracy: balanced accuracy on changed images.
        flip_rate: share of images whose decision differs from that on the original.
        distance: mean distance between original and changed latents.
        relative_distance: the same in units of the spread of originals within classes.
    """

    model: str
    suite: str
    change: str
    level: float
    items: int
    accuracy: float
    flip_rate: float
    distance: float
    relative_distance: float


def within_class_spread(latent: Tensor, labels: Tensor) -> Tensor:
    r"""Return the spread of latents about the mean of their class, a scalar.

    .. math:: r^2 = \Big\langle \langle \lVert h - c_k \rVert^2 \rangle_{i \in k} \Big\rangle_k

    Args:
        latent: ``[n, W]``.
        labels: classes ``[n]``; negative ones are left out.

    Example:
        >>> points = torch.tensor([[0.0], [2.0], [10.0], [14.0]])
        >>> round(within_class_spread(points, torch.tensor([0, 0, 1, 1])).item() ** 2, 4)
        2.5
    """
    classes = sorted({k for k in labels.tolist() if k >= 0})
    squares = [latent[labels == k].double().var(0, correction=0).sum() for k in classes]
    return torch.stack(squares).mean().sqrt()


def compare(
    look: Look,
    images: Tensor,
    changed: Tensor,
    labels: Tensor,
    *,
    change: str,
    level: float = float("nan"),
    model: str = "model",
    suite: str = "",
    again: Look | None = None,
) -> Robustness:
    """Compare what a network says of images and of changed ones.

    Args:
        look: images → output of the network.
        images: ``[n, C, H, W]``.
        changed: the same images after the change, or the same objects by another survey.
        labels: known classes ``[n]``.
        change: what was done.
        level: how much of it.
        model: which network this is.
        suite: where the images are from.
        again: how the changed images are looked at, where they are of a domain with
            statistics of its own; None looks as at the originals.
    """
    latent, before = look_at(look, images)
    moved, after = look_at(again or look, changed)
    distance = (moved - latent).double().norm(dim=1).mean()
    spread = within_class_spread(latent, labels.to(latent.device))
    truth = labels.cpu().numpy().astype(np.int64)
    return Robustness(
        model=model,
        suite=suite,
        change=change,
        level=level,
        items=len(images),
        accuracy=float(balanced_accuracy(truth, after.double().cpu().numpy())),
        flip_rate=float((before.argmax(1) != after.argmax(1)).double().mean()),
        distance=float(distance),
        relative_distance=float(distance / spread) if spread > 0 else float("nan"),
    )


def gaussian_noise(images: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Add noise of a standard deviation of ``level`` times the contrast of all images."""
    noise = torch.randn(images.shape, generator=generator).to(images)
    return images + level * images.std() * noise


def poisson_noise(images: Tensor, level: float, generator: torch.Generator) -> Tensor:
    """Add noise whose variance grows with brightness, as that of counted photons.

    Where an image has mean brightness, counted from the darkest pixel, its standard
    deviation is ``level`` times that brightness: ``level`` is one over the root of the
    number of photons.
    """
    signal = images - images.amin((1, 2, 3), keepdim=True)
    mean = signal.mean((1, 2, 3), keepdim=True)
    noise = torch.randn(images.shape, generator=generator).to(images)
    return images + level * (signal * mean).sqrt() * noise


NOISES: MappingProxyType[str, Callable[[Tensor, float, torch.Generator], Tensor]] = (
    MappingProxyType({"gaussian": gaussian_noise, "poisson": poisson_noise})
)


def noise_sweep(
    look: Look,
    images: Tensor,
    labels: Tensor,
    levels: Sequence[float],
    *,
    noise: Literal["gaussian", "poisson"] = "poisson",
    model: str = "model",
    suite: str = "",
    seed: int = 0,
) -> list[Robustness]:
    """Measure a network against rising noise.

    The same draws serve every level and every network that is given the same
    images and seed, so that curves differ by the network alone.

    Args:
        look: images → output of the network.
        images: ``[n, C, H, W]``.
        labels: known classes ``[n]``.
        levels: strengths, see :func:`gaussian_noise` and :func:`poisson_noise`.
        noise: which kind.
        model: which network this is.
        suite: where the images are from.
        seed: of the draws.

    Raises:
        UsageError: the noise is unknown.
    """
    if noise not in NOISES:
        raise UsageError(f"Unknown noise {noise!r}. {nearest(noise, NOISES)}")
    rows = []
    for level in levels:
        generator = torch.Generator().manual_seed(seed)
        changed = NOISES[noise](images, level, generator)
        row = compare(
            look, images, changed, labels, change=noise, level=level, model=model, suite=suite
        )
        rows.append(row)
    return rows


COLUMNS = (
    "model", "suite", "change", "level", "items", "accuracy", "flip_rate", "distance",
    "relative_distance",
)  # fmt: skip


def write_robustness(
    path: Path | str, rows: Iterable[Robustness], *, mock: bool | None = None
) -> Path:
    """Write measurements as CSV, one row each; an unknown number is an empty cell.

    Args:
        path: CSV file.
        rows: measurements.
        mock: as in :func:`~dagnn.evaluation.storage.write_table`.
    """
    return write_table(path, COLUMNS, (tuple(map(_cell, _values(row))) for row in rows), mock)


def _values(row: Robustness) -> list[str | float]:
    return [getattr(row, name) for name in COLUMNS]


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if np.isnan(value) else repr(value)


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
_SAID = MappingProxyType({PAIRED: "same objects", "one-pixel": "one pixel changed"})


def robustness_section(rows: Sequence[Robustness]) -> Section:
    """Lay out measurements for a page, the networks below one another for every change."""
    lines: list[tuple[str, ...]] = [
        (
            f"{row.suite} · {_said(row)} · {PREDICTORS.get(row.model, row.model)}",
            f"{row.items}",
            f"{row.accuracy:.1%}",
            _share(row.flip_rate, row.items),
            f"{row.distance:.3g}",
            f"{row.relative_distance:.2f}",
        )
        for row in sorted(rows, key=_place(rows))
    ]
    columns = ("suite · change · network", "images", "balanced accuracy", "flipped", "distance")
    kinds = {row.change for row in rows}
    texts = (
        TEXT,
        TEXT_PAIRED if PAIRED in kinds else "",
        TEXT_NOISE if kinds & set(NOISES) else "",
    )
    return Section(
        "Robustness",
        [(*columns, "distance / spread"), *lines],
        " ".join(text for text in texts if text),
    )


def _said(row: Robustness) -> str:
    """Say in words what was changed."""
    if row.change not in NOISES:
        return _SAID.get(row.change, row.change)
    return f"{row.change.capitalize()} noise {row.level:g}" if row.level else "unchanged"


def _place(rows: Sequence[Robustness]) -> Callable[[Robustness], tuple[float, ...]]:
    """Return the order of lines: pairs first, then of every suite the attack and rising noise."""
    suites = list(dict.fromkeys(row.suite for row in rows))
    models = list(dict.fromkeys(row.model for row in rows))

    def place(row: Robustness) -> tuple[float, ...]:
        level = row.level if row.change in NOISES else -1.0
        return row.change != PAIRED, suites.index(row.suite), level, models.index(row.model)

    return place


def _share(share: float, items: int) -> str:
    """Write a share with its 95% interval (Wilson 1927, J. Am. Stat. Assoc. 22, 209)."""
    low, high = binomtest(round(share * items), items).proportion_ci(method="wilson")
    return f"{share:.0%} [{100 * low:.0f}, {100 * high:.0f}]"
