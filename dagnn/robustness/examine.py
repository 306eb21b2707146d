"""Examine networks of images: noise, one changed pixel, the same objects by another survey.

Every change of every network is one :class:`~dagnn.robustness.changes.Robustness`. What was
found is kept in two files, so that it can be drawn again without a network.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dagnn.errors import UsageError, nearest
from dagnn.evaluation.measure import PREDICTORS
from dagnn.evaluation.storage import read_table, write_table
from dagnn.files import atomic_path
from dagnn.records import FloatArray
from dagnn.robustness.changes import (
    NOISES,
    ONE_PIXEL,
    PAIRED,
    Attacked,
    Evolution,
    Robustness,
    compare,
    one_pixel_attack,
)
from dagnn.robustness.images import (
    ChurchWindow,
    church_window,
    deciding,
    grad_cam,
    has_maps,
    look_at,
    looking,
)
from dagnn.stored import read_arrays, reading

TABLE, PICTURES = "robustness.csv", "robustness.npz"
COLUMNS = (
    "model", "suite", "change", "level", "items", "accuracy", "flip_rate", "distance",
    "relative_distance",
)  # fmt: skip
SHOWN_PER_SUITE = 3
"""Examples of Grad-CAM, one of each of the first classes."""
SHOWN_PER_NETWORK = 3
"""Flipped images."""
Networks = Mapping[str, nn.Module]
_WINDOW = ("across", "up", "classes", "noisy", "attacked")


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


@dataclass(frozen=True)
class Flip:
    """An image whose decision one pixel changes.

    Attributes:
        image: ``[C, H, W]``.
        attacked: the same with the pixel.
        pixel: row and column first, ``[2 + C]``.
        before: network, and its decision on the image.
        after: its decision on the attacked image.
    """

    image: FloatArray
    attacked: FloatArray
    pixel: FloatArray
    before: str
    after: str


@dataclass(frozen=True)
class Example:
    """One image and where each network looks.

    Attributes:
        image: ``[C, H, W]``.
        title: suite and true class.
        maps: network → map ``[H, W]`` in [0, 1].
        decisions: network → the class that it predicts, with its probability.
    """

    image: FloatArray
    title: str
    maps: Mapping[str, FloatArray]
    decisions: Mapping[str, str]


@dataclass(frozen=True)
class Examination:
    """Measurements, and what to look at.

    Attributes:
        rows: pairs, noise sweeps and attacks of every network and suite.
        flips: successful attacks; perhaps none.
        windows: network → church window, of one image for all.
        examples: images with where each network looks; none without feature maps.
        members: networks in each ensemble.
    """

    rows: tuple[Robustness, ...]
    flips: tuple[Flip, ...]
    windows: Mapping[str, ChurchWindow]
    examples: tuple[Example, ...]
    members: int = 1


def examine(
    networks: Networks,
    samples: Sequence[Sample],
    classes: Sequence[str],
    pairs: Sequence[tuple[Sample, Sample]] = (),
    *,
    levels: Sequence[float],
    evolution: Evolution,
    noise: str = "poisson",
) -> Examination:
    """Measure what small changes of images do, and collect what to look at.

    Church windows and flipped decisions are of the last sample, the target where there
    is one.

    Args:
        networks: name → network of class scores; they are put into evaluation mode.
        samples: images of every suite to examine.
        classes: names of the classes.
        pairs: images of the same objects in two suites, in the same order; labels of the
            second are not read.
        levels: strengths of the noise; church windows take the middle one.
        evolution: how one-pixel attacks search; its seed is that of the noise as well.
        noise: a name in :data:`~dagnn.robustness.changes.NOISES`.

    Raises:
        UsageError: the noise is unknown.
    """
    rows: list[Robustness] = []
    attacks: dict[str, Attacked] = {}
    for name, network in networks.items():
        network.eval()
        for first, second in pairs:
            before, after = (
                look_at(looking(network, each.domain), each.images) for each in (first, second)
            )
            suites = f"{first.suite} → {second.suite}"
            row = compare(before, after, first.labels, change=PAIRED, model=name, suite=suites)
            rows.append(row)
        for sample in samples:
            rows += noise_sweep(
                network, sample, levels, noise=noise, model=name, seed=evolution.seed
            )
            row, attacks[name] = _attack(name, network, sample, evolution)
            rows.append(row)
    last, middle = samples[-1], levels[len(levels) // 2]
    # The first image that one pixel flips for most networks, for all to show.
    shown = int(torch.stack([attacked.flipped for attacked in attacks.values()]).sum(0).argmax())
    image = last.images[shown : shown + 1]
    noisy = NOISES[noise](image, middle, torch.Generator().manual_seed(evolution.seed))
    windows = {
        name: _window(network, last.domain, image, noisy, attacks[name].images[shown : shown + 1])
        for name, network in networks.items()
    }
    return Examination(
        tuple(rows),
        tuple(collect_flips(networks, last, attacks, classes)),
        windows,
        tuple(e for sample in samples for e in collect_examples(networks, sample, classes)),
        max(getattr(network, "member_count", 1) for network in networks.values()),
    )


def noise_sweep(
    network: nn.Module,
    sample: Sample,
    levels: Sequence[float],
    *,
    noise: str = "poisson",
    model: str = "model",
    seed: int = 0,
) -> list[Robustness]:
    """Measure a network against rising noise.

    The same draws serve every level and every network that is given the same
    images and seed, so that curves differ by the network alone.

    Args:
        network: of class scores.
        sample: images, and the domain whose statistics the network shall use.
        levels: strengths, see the functions in :data:`~dagnn.robustness.changes.NOISES`.
        noise: which kind.
        model: which network this is.
        seed: of the draws.

    Raises:
        UsageError: the noise is unknown.
    """
    if noise not in NOISES:
        raise UsageError(f"Unknown noise {noise!r}. {nearest(noise, NOISES)}")
    look = looking(network, sample.domain)
    before = look_at(look, sample.images)
    rows = []
    for level in levels:
        changed = NOISES[noise](sample.images, level, torch.Generator().manual_seed(seed))
        after = look_at(look, changed)
        row = compare(
            before,
            after,
            sample.labels,
            change=noise,
            level=level,
            model=model,
            suite=sample.suite,
        )
        rows.append(row)
    return rows


def _attack(
    name: str, network: nn.Module, sample: Sample, evolution: Evolution
) -> tuple[Robustness, Attacked]:
    look = looking(network, sample.domain)
    before = look_at(look, sample.images)
    attacked = one_pixel_attack(look, sample.images, before[1].argmax(1), evolution=evolution)
    after = look_at(look, attacked.images)
    row = compare(before, after, sample.labels, change=ONE_PIXEL, model=name, suite=sample.suite)
    return row, attacked


@torch.no_grad()
def _window(network: nn.Module, domain: int | None, *images: Tensor) -> ChurchWindow:
    """Look at the plane through one image, with noise and after the attack."""
    look = looking(network, domain)
    return church_window(deciding(network), *(look(image).latent[0] for image in images))


def collect_flips(
    networks: Networks, sample: Sample, attacks: Mapping[str, Attacked], classes: Sequence[str]
) -> list[Flip]:
    """Collect the first images of every network whose decision one pixel changes."""
    found = []
    for name, network in networks.items():
        attacked = attacks[name]
        chosen = attacked.flipped.nonzero().flatten()[:SHOWN_PER_NETWORK]
        if not len(chosen):
            continue
        pictures = sample.images[chosen], attacked.images[chosen]
        look = looking(network, sample.domain)
        before, after = (_decisions(look_at(look, each)[1], classes) for each in pictures)
        arrays = [_numbers(each) for each in (*pictures, attacked.pixels[chosen])]
        titles = [f"{PREDICTORS.get(name, name)}: {decision}" for decision in before]
        found += [Flip(*each) for each in zip(*arrays, titles, after, strict=True)]
    return found


def collect_examples(networks: Networks, sample: Sample, classes: Sequence[str]) -> list[Example]:
    """Let every network that has feature maps look at one image of each of the first classes."""
    labels = sample.labels.tolist()
    chosen = [labels.index(k) for k in sorted(set(labels))[:SHOWN_PER_SUITE]]
    images = sample.images[chosen]
    maps: dict[str, FloatArray] = {}
    decisions: dict[str, list[str]] = {}
    for name, network in networks.items():
        if has_maps(network):
            probability = look_at(looking(network, sample.domain), images)[1]
            heat = grad_cam(network, sample.domain, images, probability.argmax(1))
            maps[name], decisions[name] = _numbers(heat), _decisions(probability, classes)
    return [
        Example(
            _numbers(images[place]),
            f"{sample.suite}: {classes[labels[row]]}",
            {name: found[place] for name, found in maps.items()},
            {name: found[place] for name, found in decisions.items()},
        )
        for place, row in enumerate(chosen)
        if maps
    ]


def _decisions(probability: Tensor, classes: Sequence[str]) -> list[str]:
    """Write the predicted class of every row of ``[n, K]`` with its probability."""
    best = probability.max(1)
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [f"{classes[k]} ({share:.0%})" for k, share in pairs]


def _numbers(values: Tensor) -> FloatArray:
    found: FloatArray = values.detach().cpu().double().numpy()
    return found


def write_examination(folder: Path, found: Examination, *, mock: bool | None = None) -> None:
    """Write the measurements as CSV, and what figures are drawn from as one archive.

    Args:
        folder: of the run.
        found: measurements and pictures.
        mock: whether mock data were trained on or measured.
    """
    arrays: dict[str, Any] = {
        "flips/images": np.array([flip.image for flip in found.flips]),
        "flips/attacked": np.array([flip.attacked for flip in found.flips]),
        "flips/pixels": np.array([flip.pixel for flip in found.flips]),
    }
    for name, window in found.windows.items():
        arrays |= {f"window/{name}/{key}": getattr(window, key) for key in _WINDOW}
    for number, example in enumerate(found.examples):
        arrays[f"example/{number}/image"] = example.image
        arrays |= {f"example/{number}/{name}": heat for name, heat in example.maps.items()}
    words = {
        "titles": [(flip.before, flip.after) for flip in found.flips],
        "windows": list(found.windows),
        "members": found.members,
        "examples": [{"title": e.title, "said": dict(e.decisions)} for e in found.examples],
    }
    arrays["words"] = np.array(json.dumps(words))
    with atomic_path(folder / PICTURES) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_table(folder / TABLE, COLUMNS, map(_cells, found.rows), mock)


def _cells(row: Robustness) -> list[str]:
    """Write every number so that it reads back the same; an unknown one is an empty cell."""
    return ["" if value != value else str(value) for value in astuple(row)]


def read_examination(folder: Path) -> Examination | None:
    """Read what :func:`write_examination` wrote; None where nothing was examined.

    Raises:
        DataError: a file is damaged, or one of the two is missing.
    """
    if not (folder / TABLE).is_file():
        return None
    again = f"Make it again with: dagnn evaluate {quote(str(folder))}"
    with reading(folder / TABLE, again):
        rows = tuple(_row(line) for _, line in read_table(folder / TABLE, COLUMNS))
    stored = read_arrays(folder / PICTURES, again)
    with reading(folder / PICTURES, again):
        words = json.loads(str(stored["words"]))
        arrays = [stored[f"flips/{key}"] for key in ("images", "attacked", "pixels")]
        flips = [
            Flip(image, attacked, pixel, before, after)
            for image, attacked, pixel, (before, after) in zip(
                *arrays, words["titles"], strict=True
            )
        ]
        examples = [
            Example(
                stored[f"example/{number}/image"],
                kept["title"],
                {name: stored[f"example/{number}/{name}"] for name in kept["said"]},
                kept["said"],
            )
            for number, kept in enumerate(words["examples"])
        ]
        windows = {name: _stored_window(name, stored) for name in words["windows"]}
        # The first version did not write the number of members.
        members = words.get("members", 1)
        return Examination(rows, tuple(flips), windows, tuple(examples), members)


def _stored_window(name: str, stored: Mapping[str, Any]) -> ChurchWindow:
    across, up, classes, noisy, attacked = (stored[f"window/{name}/{key}"] for key in _WINDOW)
    places = [(float(place[0]), float(place[1])) for place in (noisy, attacked)]
    return ChurchWindow(across, up, classes, *places)


def _row(line: Mapping[str, str]) -> Robustness:
    numbers = {name: float(line[name] or "nan") for name in COLUMNS[5:]}
    level, items = float(line["level"] or "nan"), int(line["items"])
    shares = [numbers[name] for name in ("accuracy", "flip_rate")]
    if items < 1 or any(not math.isnan(share) and not 0 <= share <= 1 for share in shares):
        raise ValueError(f"shares of {items} items should lie from 0 to 1")
    return Robustness(line["model"], line["suite"], line["change"], level, items, **numbers)
