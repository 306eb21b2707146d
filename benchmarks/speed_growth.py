"""Cost against galaxies per box and against the number of boxes, for the speed benchmark."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from speed_data import clumps, make_dataset
from speed_timing import exponent, medians

from dagnn.graphs import build_graph
from dagnn.models import GraphEncoder

ENCODE = "encode and differentiate"
Seconds = dict[str, list[float]]
Curves = dict[str, dict[str, Any]]


def by_galaxies(sizes: Sequence[int], repeats: int) -> Curves:
    """Measure cost against galaxies per box."""
    found: Seconds = {"build a graph": [], ENCODE: []}
    for galaxies in sizes:
        place, columns, radius = clumps(galaxies, 0)
        dataset = make_dataset(1, galaxies=galaxies)
        encoder = GraphEncoder(dataset.sizes)
        batch = dataset.batch(torch.tensor([0]))
        cases = {
            "build a graph": partial(build_graph, place, columns, radius),
            ENCODE: partial(differentiate, encoder, batch),
        }
        for name, value in medians(cases, repeats if galaxies < 100_000 else 1).items():
            found[name].append(value)
    return curves("galaxies", sizes, found)


def by_boxes(sizes: Sequence[int], repeats: int) -> Curves:
    """Measure cost against the number of boxes in a batch."""
    found: Seconds = {"batch": [], ENCODE: []}
    dataset = make_dataset(max(sizes))
    encoder = GraphEncoder(dataset.sizes)
    for count in sizes:
        index = torch.arange(count)
        cases = {
            "batch": partial(dataset.batch, index),
            ENCODE: partial(differentiate, encoder, dataset.batch(index)),
        }
        for name, value in medians(cases, max(3, repeats // 3)).items():
            found[name].append(value)
    return curves("boxes", sizes, found)


def differentiate(encoder: GraphEncoder, batch: Any) -> None:
    """Run an encoder forwards and backwards."""
    encoder(batch).sum().backward()


def curves(what: str, sizes: Sequence[int], found: Seconds) -> Curves:
    """Add the exponent to every measured curve."""
    return {
        f"{name} / {what}": {
            "sizes": list(sizes),
            "seconds": seconds,
            "exponent": exponent(sizes, seconds),
        }
        for name, seconds in found.items()
    }
