"""One changed pixel: attacks by differential evolution, on all images of a batch at once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dagnn.robustness.images import Look, probabilities


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
    """What an attack came to.

    Attributes:
        images: with the best pixel found, ``[B, C, H, W]``.
        flipped: whether that changes the decision as wanted, booleans ``[B]``.
        pixels: row, column and the brightness of every channel, ``[B, 2 + C]``.
        generations: how many each image took, ``[B]``; the most where it resisted.
    """

    images: Tensor
    flipped: Tensor
    pixels: Tensor
    generations: Tensor


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
    targeted: bool = False,
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
        classes: the class to get away from, or with ``targeted`` the one to reach, ``[B]``.
        targeted: whether one class must be reached, or any other will do.
        bounds: smallest and largest brightness of each channel, ``[C]`` each; by
            default those of the images.
        evolution: how to search.

    Returns:
        The best pixel found for every image.
    """
    search = _Search(look, images, classes, targeted, evolution)
    low, high = search.bounds(bounds)
    generator = torch.Generator(device="cpu").manual_seed(evolution.seed)
    size = (len(images), evolution.population, len(low))
    population = low + (high - low) * _uniform(size, generator, images)
    cost = search.costs(population, search.everyone)
    generations = torch.full((len(images),), evolution.generations, device=images.device)
    flipped = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    for generation in range(evolution.generations):
        fooled = search.fooled(population, cost)
        generations[fooled & ~flipped] = generation
        flipped |= fooled
        active = search.everyone[~flipped]
        if not len(active):
            break
        children = _children(population[active], evolution.factor, generator).clamp(low, high)
        child_cost = search.costs(children, active)
        better = child_cost < cost[active]
        population[active] = torch.where(better[..., None], children, population[active])
        cost[active] = torch.where(better, child_cost, cost[active])
    flipped |= search.fooled(population, cost)
    best = _best(population, cost)
    return Attacked(with_pixel(images, best), flipped, _whole(best), generations)


class _Search:
    """The images under attack, and how good a pixel is."""

    def __init__(
        self, look: Look, images: Tensor, classes: Tensor, targeted: bool, evolution: Evolution
    ) -> None:
        self.look = look
        self.images = images
        self.classes = classes.to(images.device)
        self.targeted = targeted
        self.chunk = evolution.chunk
        self.everyone = torch.arange(len(images), device=images.device)

    def bounds(self, colours: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Return the ends of row, column and brightness, ``[2 + C]`` each."""
        channels = self.images.movedim(1, 0).flatten(1)
        low, high = colours or (channels.amin(1), channels.amax(1))
        size = torch.tensor(self.images.shape[2:]).to(self.images)
        # Just below the size, so that cutting to an integer stays inside.
        return torch.cat([0 * size, low.to(size)]), torch.cat([size - 1e-3, high.to(size)])

    def costs(self, candidates: Tensor, items: Tensor) -> Tensor:
        """Return what is to be made small, ``[b, P]``, for candidates ``[b, P, 2 + C]``."""
        population = candidates.shape[1]
        owners = items.repeat_interleave(population)
        found = [
            self._chosen(part, who)
            for part, who in zip(
                torch.split(candidates.flatten(0, 1), self.chunk),
                torch.split(owners, self.chunk),
                strict=True,
            )
        ]
        chosen = torch.cat(found).view(-1, population)
        return -chosen if self.targeted else chosen

    def _chosen(self, pixels: Tensor, owners: Tensor) -> Tensor:
        """Return the probability of each owner's class, ``[n]``."""
        seen = probabilities(self.look(with_pixel(self.images[owners], pixels)))
        return seen.gather(1, self.classes[owners, None])[:, 0]

    def fooled(self, population: Tensor, cost: Tensor) -> Tensor:
        """Return for which images the best candidate changes the decision, ``[B]``."""
        changed = with_pixel(self.images, _best(population, cost))
        said = torch.cat(
            [probabilities(self.look(part)).argmax(1) for part in torch.split(changed, self.chunk)]
        )
        return said == self.classes if self.targeted else said != self.classes


def _uniform(size: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Draw on the CPU, so that every device searches alike."""
    return torch.rand(size, generator=generator).to(like)


def _children(population: Tensor, factor: float, generator: torch.Generator) -> Tensor:
    """Combine three different candidates for each, ``[b, P, D]``."""
    count = population.shape[1]
    draws = torch.rand((*population.shape[:2], count), generator=generator)
    chosen = draws.topk(3, dim=2).indices.to(population.device)
    rows = torch.arange(len(population), device=population.device)[:, None]
    first, second, third = (population[rows, chosen[..., k]] for k in range(3))
    return first + factor * (second - third)


def _best(population: Tensor, cost: Tensor) -> Tensor:
    """Return the candidate of lowest cost of each image, ``[B, D]``."""
    rows = torch.arange(len(population), device=population.device)
    return population[rows, cost.argmin(1)]


def _whole(pixels: Tensor) -> Tensor:
    """Cut rows and columns to integers."""
    return torch.cat([pixels[:, :2].floor(), pixels[:, 2:]], 1)
