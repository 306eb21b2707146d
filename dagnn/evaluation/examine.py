"""Examine networks of images: noise, one changed pixel, where they look, church windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dagnn.evaluation.attacks import Attacked, Evolution, one_pixel_attack
from dagnn.evaluation.church import ChurchWindow, church_window
from dagnn.evaluation.examination import Examination, Flips
from dagnn.evaluation.figures.gradcam import Example
from dagnn.evaluation.gradcam import grad_cam
from dagnn.evaluation.images import look_at, looking, stages
from dagnn.evaluation.robustness import NOISES, Robustness, compare, noise_sweep
from dagnn.records import FloatArray

Networks = Mapping[str, nn.Module]
SHOWN_PER_SUITE = 3
"""Examples of Grad-CAM, one of each of the first classes."""
SHOWN_FLIPS = 6


@dataclass(frozen=True)
class Sample:
    """Labelled images of one suite.

    Attributes:
        suite: short suite name.
        images: ``[n, C, H, W]``.
        labels: known classes ``[n]``.
        domain: number of the domain whose statistics networks shall use.
    """

    suite: str
    images: Tensor
    labels: Tensor
    domain: int


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
    networks: Networks, samples: Sequence[Sample], classes: Sequence[str], effort: Effort = Effort()
) -> Examination:
    """Measure what small changes of images do, and collect what to look at.

    Attacks, church windows and flipped decisions are of the last sample, the target
    where there is one. Ensembles have neither one latent nor one set of maps: they
    are measured against noise and attacks only.

    Args:
        networks: name → network of class scores; they are put into evaluation mode.
        samples: images of every suite to examine.
        classes: names of the classes.
        effort: how much to try.
    """
    rows: list[Robustness] = []
    flips = Flips.none()
    windows: dict[str, ChurchWindow] = {}
    for name, network in networks.items():
        network.eval()
        for sample in samples:
            measured, attacked = _measure(name, network, sample, effort)
            rows += measured
        sample = samples[-1]
        flips = flips.joined(_flips(name, network, sample, attacked, classes))
        if _is_single(network):
            windows[name] = _window(network, sample, attacked, effort)
    single = {name: network for name, network in networks.items() if _is_single(network)}
    examples = [e for sample in samples for e in _examples(single, sample, classes)]
    return Examination(tuple(rows), flips, windows, tuple(examples if single else ()))


def _is_single(network: nn.Module) -> bool:
    return getattr(network, "member_count", 1) == 1 and hasattr(network.encoder, "maps")


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


def _said(probability: Tensor, classes: Sequence[str]) -> str:
    best = int(probability.argmax())
    return f"{classes[best]} {float(probability[best]):.0%}"


def _numbers(values: Tensor) -> FloatArray:
    found: FloatArray = values.detach().cpu().double().numpy()
    return found


def _flips(
    name: str, network: nn.Module, sample: Sample, attacked: Attacked, classes: Sequence[str]
) -> Flips:
    """Collect the first images whose decision one pixel changes."""
    chosen = attacked.flipped.nonzero().flatten()[: SHOWN_FLIPS // 2]
    before, after = sample.images[chosen], attacked.images[chosen]
    look = looking(network, sample.domain)
    titles: list[tuple[str, str]] = []
    for row in range(len(chosen)):
        said = [
            _said(look_at(look, each[row : row + 1])[1][0], classes) for each in (before, after)
        ]
        titles.append((f"{name}: {said[0]}", said[1]))
    pixels = attacked.pixels[chosen]
    return Flips(_numbers(before), _numbers(after), _numbers(pixels), tuple(titles))


@torch.no_grad()
def _window(network: nn.Module, sample: Sample, attacked: Attacked, effort: Effort) -> ChurchWindow:
    """Look around the first image that an attack flips, else around the first."""
    flipped = attacked.flipped.nonzero().flatten().tolist()
    row = slice(flipped[0], flipped[0] + 1) if flipped else slice(0, 1)
    level = effort.levels[len(effort.levels) // 2]
    draws = torch.Generator().manual_seed(effort.seed)
    noisy = NOISES[effort.noise](sample.images[row], level, draws)
    look = looking(network, sample.domain)
    latents = [look(each).latent[0] for each in (sample.images[row], noisy, attacked.images[row])]

    scoring: Any = network.head

    def head(latent: Tensor) -> Tensor:
        scores: Tensor = scoring(latent).logits
        return scores

    return church_window(head, *latents)


def _examples(networks: Networks, sample: Sample, classes: Sequence[str]) -> list[Example]:
    """Let every network look at one image of each of the first classes."""
    labels = sample.labels.tolist()
    chosen = [labels.index(k) for k in sorted(set(labels))[:SHOWN_PER_SUITE]]
    images = sample.images[chosen]
    maps: dict[str, Tensor] = {}
    said: dict[str, list[str]] = {}
    for name, network in networks.items():
        probability = look_at(looking(network, sample.domain), images)[1]
        maps[name] = grad_cam(stages(network, sample.domain), images, probability.argmax(1))
        said[name] = [_said(row, classes) for row in probability]
    return [
        Example(
            _numbers(images[place]),
            f"{sample.suite}: {classes[labels[row]]}",
            {name: _numbers(found[place]) for name, found in maps.items()},
            {name: words[place] for name, words in said.items()},
        )
        for place, row in enumerate(chosen)
    ]
