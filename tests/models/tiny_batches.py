"""Tiny batches for every encoder of the table."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Batch, Data

from dagnn.graphs import Graph, build_graph
from dagnn.records import TensorBatch


def random_graph(galaxies: int, seed: int, features: str = "all") -> Graph:
    rng = np.random.default_rng(seed)
    names = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
    columns = {name: rng.lognormal(size=galaxies) for name in names}
    return build_graph(rng.random((galaxies, 3)), columns, 0.2, features)


def as_data(graph: Graph) -> Data:
    return Data(**{name: torch.from_numpy(value) for name, value in vars(graph).items()})


def graph_batch(items: list[int]) -> Batch:
    """Return a batch whose item ``i`` is the ``i``-th of five fixed graphs."""
    sizes = [30, 1, 12, 50, 21]
    batch = Batch.from_data_list([as_data(random_graph(sizes[i], seed=i)) for i in items])
    return in_domain(batch, 0)


def spectra_batch(items: list[int]) -> TensorBatch:
    """Return a batch whose item ``i`` is the ``i``-th of five fixed vectors."""
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 8))).float()
    return TensorBatch(x[items], torch.zeros(len(items), 1), 0)


IMAGE_SIZES = {"channels": 3, "height": 32, "width": 32, "classes": 4}


def image_batch(items: list[int]) -> TensorBatch:
    """Return a batch whose item ``i`` is the ``i``-th of five fixed images."""
    x = torch.from_numpy(np.random.default_rng(0).random((5, 3, 32, 32))).float()
    return TensorBatch(x[items], torch.zeros(len(items), dtype=torch.int64), 0)


def in_domain(batch: Any, domain: int) -> Any:
    """Return the same batch as of another domain."""
    if isinstance(batch, TensorBatch):
        return replace(batch, domain=domain)
    batch.domain = domain
    return batch


# By encoder name: the sizes that a dataset would report, and a maker of batches.
CASES = {
    "graph": ({"node": 4, "edge": 3, "global": 1}, graph_batch),
    "spectrum": ({"features": 8}, spectra_batch),
}

IMAGE_CASES = dict.fromkeys(
    ("image", "deepmerge", "sidda", "resnet18", "resnet50"), (IMAGE_SIZES, image_batch)
)
