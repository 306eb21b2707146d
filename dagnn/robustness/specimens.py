"""Choose which images figures of an examination show: flipped ones, and where networks look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from dagnn.evaluation.measure import PREDICTORS
from dagnn.records import FloatArray
from dagnn.robustness.attacks import Attacked
from dagnn.robustness.examination import Flips
from dagnn.robustness.gradcam import grad_cam
from dagnn.robustness.gradcam_figures import Example
from dagnn.robustness.images import has_maps, look_at, looking, stages

Networks = Mapping[str, nn.Module]
SHOWN_PER_SUITE = 3
"""Examples of Grad-CAM, one of each of the first classes."""
SHOWN_PER_NETWORK = 3
"""Flipped images."""


@dataclass(frozen=True)
class Sample:
    """Images of one suite.

    Attributes:
        suite: short suite name.
        images: ``[n, C, H, W]``.
        labels: known classes ``[n]``.
        domain: number of the domain whose statistics networks shall use.
    """

    suite: str
    images: Tensor
    labels: Tensor
    domain: int | None


def collect_flips(
    networks: Networks, sample: Sample, attacks: Mapping[str, Attacked], classes: Sequence[str]
) -> Flips:
    """Collect the first images of every network whose decision one pixel changes."""
    found = Flips.none()
    for name, network in networks.items():
        found = found.joined(_flips(name, network, sample, attacks[name], classes))
    return found


def _flips(
    name: str, network: nn.Module, sample: Sample, attacked: Attacked, classes: Sequence[str]
) -> Flips:
    chosen = attacked.flipped.nonzero().flatten()[:SHOWN_PER_NETWORK]
    before, after = sample.images[chosen], attacked.images[chosen]
    look = looking(network, sample.domain)
    # Nothing to look at makes no batch.
    pictures = (before, after) if len(chosen) else ()
    said = [[_said(p, classes) for p in look_at(look, each)[1]] for each in pictures]
    titles = [(f"{PREDICTORS.get(name, name)}: {a}", b) for a, b in zip(*said, strict=True)]
    return Flips(
        _numbers(before), _numbers(after), _numbers(attacked.pixels[chosen]), tuple(titles)
    )


def collect_examples(networks: Networks, sample: Sample, classes: Sequence[str]) -> list[Example]:
    """Let every network that has feature maps look at one image of each of the first classes."""
    labels = sample.labels.tolist()
    chosen = [labels.index(k) for k in sorted(set(labels))[:SHOWN_PER_SUITE]]
    images = sample.images[chosen]
    maps: dict[str, Tensor] = {}
    said: dict[str, list[str]] = {}
    for name, network in networks.items():
        if not has_maps(network):
            continue
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
        if maps
    ]


def _said(probability: Tensor, classes: Sequence[str]) -> str:
    best = int(probability.argmax())
    return f"{classes[best]} ({float(probability[best]):.0%})"


def _numbers(values: Tensor) -> FloatArray:
    found: FloatArray = values.detach().cpu().double().numpy()
    return found
