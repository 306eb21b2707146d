"""How far small changes of an image carry: decisions that flip, distances in the latent."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dagnn.errors import UsageError, nearest
from dagnn.evaluation.class_metrics import balanced_accuracy
from dagnn.evaluation.images import Look, look_at
from dagnn.evaluation.lines import Lines, Section
from dagnn.evaluation.storage import write_table
from dagnn.evaluation.table import PREDICTORS


@dataclass(frozen=True)
class Robustness:
    """What one kind of change does to one network.

    Attributes:
        model: ``model`` or ``source-only``.
        suite: short suite name.
        change: ``gaussian``, ``poisson``, ``one-pixel`` or ``paired``.
        level: strength of the noise; NaN where there is none.
        items: number of images.
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
) -> Robustness:
    """Compare what a network says of images and of changed ones.

    Args:
        look: images → output of the network.
        images: ``[n, C, H, W]``.
        changed: the same images after the change.
        labels: known classes ``[n]``.
        change: what was done.
        level: how much of it.
        model: which network this is.
        suite: where the images are from.
    """
    latent, before = look_at(look, images)
    moved, after = look_at(look, changed)
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


def write_robustness(path: Path | str, rows: Iterable[Robustness]) -> Path:
    """Write measurements as CSV, one row each; an unknown number is an empty cell."""
    return write_table(path, COLUMNS, (tuple(map(_cell, _values(row))) for row in rows))


def _values(row: Robustness) -> list[str | float]:
    return [getattr(row, name) for name in COLUMNS]


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if np.isnan(value) else repr(value)


TEXT = (
    "Balanced accuracy on changed images; the share of images whose decision changes; and how "
    "far the latent moves, as it is and in units of the spread within classes, without which "
    "networks cannot be compared."
)


def robustness_section(rows: Sequence[Robustness]) -> Section:
    """Lay out measurements for a page."""
    lines: list[tuple[str, ...]] = [
        (
            f"{row.suite} · {row.change}{'' if np.isnan(row.level) else f' {row.level:g}'} · "
            f"{PREDICTORS.get(row.model, row.model)}",
            f"{row.items}",
            f"{row.accuracy:.1%}",
            f"{row.flip_rate:.1%}",
            f"{row.distance:.3g}",
            f"{row.relative_distance:.2f}",
        )
        for row in rows
    ]
    columns = ("suite · change · network", "images", "balanced accuracy", "flipped", "distance")
    return Section("Robustness", Lines((*columns, "distance / spread"), lines), TEXT)
