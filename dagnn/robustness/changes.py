"""Changes of images, noise and the one pixel that flips a decision, and what they do.

The pixel is found by differential evolution, on all images of a batch at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from dagnn.robustness.images import Look, look_at
from dagnn.tasks.classification_metrics import balanced_accuracy

PAIRED, ONE_PIXEL = "paired", "one-pixel"
"""Changes of a row: images of the same objects by another survey, and an attack."""
Seen = tuple[Tensor, Tensor]
"""Latents ``[n, W]`` and class probabilities ``[n, K]``."""


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


@dataclass(frozen=True)
class Evolution:
    """How differential evolution searches.

    Attributes:
        population: candidates per image.
        factor: ``F``, how far differences of candidates carry.
        generations: at most this many.
        chunk: images per forward pass; it changes memory and nothing else.
        seed: of the first candidates and of all draws.

    References:
        Storn & Price 1997, J. Global Optimization 11, 341; Su, Vargas & Sakurai 2019,
        arXiv:1710.08864 (one pixel, F = 0.5, population 400, no crossover).
    """

    population: int = 400
    factor: float = 0.5
    generations: int = 80
    chunk: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        if self.population < 4 or self.generations < 1 or self.chunk < 1:
            raise ValueError(
                f"Differential evolution needs a population of 4 or more, a generation and a "
                f"chunk, got {self.population}, {self.generations} and {self.chunk}."
            )


@dataclass(frozen=True)
class Attacked:
    """The result of an attack.

    Attributes:
        images: with the best pixel found, ``[B, C, H, W]``.
        flipped: whether that changes the decision, booleans ``[B]``.
        pixels: row, column and the brightness of every channel, ``[B, 2 + C]``.
    """

    images: Tensor
    flipped: Tensor
    pixels: Tensor


def with_pixel(images: Tensor, pixels: Tensor) -> Tensor:
    """Return images with one pixel each set anew.

    Args:
        images: ``[B, C, H, W]``.
        pixels: row and column (cut to integers) and brightness, ``[B, 2 + C]``.

    Example:
        >>> changed = with_pixel(torch.zeros(1, 1, 2, 2), torch.tensor([[1.4, 0.0, 5.0]]))
        >>> changed[0, 0].tolist()
        [[0.0, 0.0], [5.0, 0.0]]
    """
    changed = images.clone()
    rows, columns = pixels[:, 0].long(), pixels[:, 1].long()
    changed[torch.arange(len(images), device=images.device), :, rows, columns] = pixels[:, 2:]
    return changed


@torch.no_grad()
def one_pixel_attack(
    look: Look,
    images: Tensor,
    classes: Tensor,
    *,
    bounds: tuple[Tensor, Tensor] | None = None,
    evolution: Evolution = Evolution(),
) -> Attacked:
    """Search for the one pixel that changes a decision, for all images at once.

    A candidate is a place and a colour. Its child is another candidate plus ``F``
    times the difference of two more, all drawn at random; the better of the two
    stays. Images whose decision has changed leave the search.

    Args:
        look: images → output of the network.
        images: ``[B, C, H, W]``.
        classes: the class to get away from, ``[B]``.
        bounds: smallest and largest brightness of each channel, ``[C]`` each; by
            default those of the images.
        evolution: how to search.

    Returns:
        The best pixel found for every image.
    """
    device = images.device
    classes, everyone = classes.to(device), torch.arange(len(images), device=device)
    low, high = _bounds(images, bounds)

    def costs(candidates: Tensor, items: Tensor) -> Tensor:
        """Return the probability of the class, ``[b, P]``, for candidates ``[b, P, 2 + C]``."""
        owners = items.repeat_interleave(candidates.shape[1])
        pairs = zip(
            torch.split(candidates.flatten(0, 1), evolution.chunk),
            torch.split(owners, evolution.chunk),
            strict=True,
        )
        # Images are changed chunk by chunk: those of all candidates would fill the memory.
        found = [
            look_at(look, with_pixel(images[who], pixels), evolution.chunk)[1].gather(
                1, classes[who, None]
            )
            for pixels, who in pairs
        ]
        return torch.cat(found).view(-1, candidates.shape[1])

    def fooled(best: Tensor) -> Tensor:
        """Return for which images the best candidate changes the decision, ``[B]``."""
        changed = with_pixel(images, best)
        return look_at(look, changed, evolution.chunk)[1].argmax(1) != classes

    # Drawn on the CPU, so that every device searches alike.
    generator = torch.Generator(device="cpu").manual_seed(evolution.seed)
    draws = torch.rand((len(images), evolution.population, len(low)), generator=generator)
    population = low + (high - low) * draws.to(images)
    cost = costs(population, everyone)
    flipped = torch.zeros(len(images), dtype=torch.bool, device=device)
    for _ in range(evolution.generations):
        flipped |= fooled(population[everyone, cost.argmin(1)])
        active = everyone[~flipped]
        if not len(active):
            break
        children = _children(population[active], evolution.factor, generator).clamp(low, high)
        child_cost = costs(children, active)
        better = child_cost < cost[active]
        population[active] = torch.where(better[..., None], children, population[active])
        cost[active] = torch.where(better, child_cost, cost[active])
    best = population[everyone, cost.argmin(1)]
    flipped |= fooled(best)
    pixels = torch.cat([best[:, :2].floor(), best[:, 2:]], 1)
    return Attacked(with_pixel(images, best), flipped, pixels)


def _bounds(images: Tensor, colours: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """Return the ends of row, column and brightness, ``[2 + C]`` each."""
    channels = images.movedim(1, 0).flatten(1)
    low, high = colours or (channels.amin(1), channels.amax(1))
    size = torch.tensor(images.shape[2:]).to(images)
    # Just below the size, so that cutting to an integer stays inside.
    return torch.cat([0 * size, low.to(size)]), torch.cat([size - 1e-3, high.to(size)])


def _children(population: Tensor, factor: float, generator: torch.Generator) -> Tensor:
    """Combine three different candidates for each, ``[b, P, D]``."""
    count = population.shape[1]
    draws = torch.rand((*population.shape[:2], count), generator=generator)
    chosen = draws.topk(3, dim=2).indices.to(population.device)
    rows = torch.arange(len(population), device=population.device)[:, None]
    first, second, third = (population[rows, chosen[..., k]] for k in range(3))
    return first + factor * (second - third)


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


def compare(
    before: Seen,
    after: Seen,
    labels: Tensor,
    *,
    change: str,
    level: float = float("nan"),
    model: str = "model",
    suite: str = "",
) -> Robustness:
    """Compare what a network predicts of images and of changed ones.

    Args:
        before: latents and probabilities of images, from
            :func:`~dagnn.robustness.images.look_at`.
        after: the same of the changed images, or of the same objects by another survey.
        labels: known classes ``[n]``.
        change: what was done.
        level: how much of it.
        model: which network this is.
        suite: where the images are from.
    """
    (latent, probability), (moved, changed) = before, after
    distance = (moved - latent).double().norm(dim=1).mean()
    spread = within_class_spread(latent, labels.to(latent.device))
    truth = labels.cpu().numpy().astype(np.int64)
    return Robustness(
        model=model,
        suite=suite,
        change=change,
        level=level,
        items=len(labels),
        accuracy=float(balanced_accuracy(truth, changed.double().cpu().numpy())),
        flip_rate=float((probability.argmax(1) != changed.argmax(1)).double().mean()),
        distance=float(distance),
        relative_distance=float(distance / spread) if spread > 0 else float("nan"),
    )


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
