"""Examine networks of images: noise, one changed pixel, the same objects by another survey."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from dagnn.robustness.attacks import Attacked, Evolution, one_pixel_attack
from dagnn.robustness.church import ChurchWindow, church_window
from dagnn.robustness.examination import Examination
from dagnn.robustness.images import deciding, look_at, looking
from dagnn.robustness.measures import NOISES, PAIRED, Robustness, compare, noise_sweep
from dagnn.robustness.specimens import Sample, collect_examples, collect_flips

Networks = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Pairs:
    """Images of the same objects in two suites, in the same order.

    Attributes:
        before: with the labels of the objects.
        after: labels are not read.
    """

    before: Sample
    after: Sample


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Attributes:
        noise: which kind.
        levels: its strengths; church windows take the middle one.
        evolution: how one-pixel attacks search.
        seed: of noise.
    """

    noise: Literal["gaussian", "poisson"] = "poisson"
    levels: tuple[float, ...] = (0.0, 0.1, 0.2, 0.4, 0.8)
    evolution: Evolution = field(default_factory=Evolution)
    seed: int = 0


def examine(
    networks: Networks,
    samples: Sequence[Sample],
    classes: Sequence[str],
    effort: Effort = Effort(),
    pairs: Sequence[Pairs] = (),
) -> Examination:
    """Measure what small changes of images do, and collect what to look at.

    Church windows and flipped decisions are of the last sample, the target where there
    is one. An ensemble is examined as the mixture of its members: its latent is theirs
    side by side, its feature maps are theirs one after the other.

    Args:
        networks: name → network of class scores; they are put into evaluation mode.
        samples: images of every suite to examine.
        classes: names of the classes.
        effort: how much to try.
        pairs: images of the same objects by two surveys.
    """
    rows: list[Robustness] = []
    attacks: dict[str, Attacked] = {}
    for name, network in networks.items():
        network.eval()
        rows += [_compare_pairs(name, network, each) for each in pairs]
        for sample in samples:
            measured, attacks[name] = _measure(name, network, sample, effort)
            rows += measured
    last = samples[-1]
    row = _most_flipped(attacks)
    return Examination(
        tuple(rows),
        collect_flips(networks, last, attacks, classes),
        {
            name: _window(network, last, attacks[name].images, row, effort)
            for name, network in networks.items()
        },
        tuple(e for sample in samples for e in collect_examples(networks, sample, classes)),
        max(getattr(network, "member_count", 1) for network in networks.values()),
    )


def _compare_pairs(name: str, network: nn.Module, pairs: Pairs) -> Robustness:
    before, after = pairs.before, pairs.after
    return compare(
        looking(network, before.domain),
        before.images,
        after.images,
        before.labels,
        change=PAIRED,
        model=name,
        suite=f"{before.suite} → {after.suite}",
        again=looking(network, after.domain),
    )


def _measure(
    name: str, network: nn.Module, sample: Sample, effort: Effort
) -> tuple[list[Robustness], Attacked]:
    look = looking(network, sample.domain)
    rows = noise_sweep(
        look,
        sample.images,
        sample.labels,
        effort.levels,
        noise=effort.noise,
        model=name,
        suite=sample.suite,
        seed=effort.seed,
    )
    decided = look_at(look, sample.images)[1].argmax(1)
    attacked = one_pixel_attack(look, sample.images, decided, evolution=effort.evolution)
    row = compare(
        look,
        sample.images,
        attacked.images,
        sample.labels,
        change="one-pixel",
        model=name,
        suite=sample.suite,
    )
    return [*rows, row], attacked


def _most_flipped(attacks: Mapping[str, Attacked]) -> int:
    """Return the first image that one pixel flips for most networks, for all to show."""
    flipped = torch.stack([attacked.flipped for attacked in attacks.values()])
    return int(flipped.sum(0).argmax())


@torch.no_grad()
def _window(
    network: nn.Module, sample: Sample, attacked: Tensor, row: int, effort: Effort
) -> ChurchWindow:
    """Look at the plane through one image, with noise and after the attack."""
    image = sample.images[row : row + 1]
    level = effort.levels[len(effort.levels) // 2]
    draws = torch.Generator().manual_seed(effort.seed)
    noisy = NOISES[effort.noise](image, level, draws)
    look = looking(network, sample.domain)
    latents = [look(each).latent[0] for each in (image, noisy, attacked[row : row + 1])]
    return church_window(deciding(network), *latents)
