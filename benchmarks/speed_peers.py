"""What speed is measured against: the same numbers, made in the straightforward way."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import MetaLayer, global_add_pool, global_max_pool, global_mean_pool
from torch_geometric.utils import scatter

from dagnn.models import GraphEncoder

Array = NDArray[np.float64]
SEARCH_BOX = 1.0001


def loop_graph(positions: Array, radius: float) -> tuple[NDArray[np.int64], Array]:
    """Build edges and edge features by the published formula, edge by edge.

    The convention is "published" of :data:`dagnn.graphs.CONVENTIONS`: both directions,
    self-loops, minimum image around the plain mean.

    Returns:
        ``[2, E]``, sorted by receiver and sender, and ``[E, 3]``.
    """
    tree = cKDTree(np.mod(positions, SEARCH_BOX), boxsize=SEARCH_BOX)
    edges = [(i, j) for pair in tree.query_pairs(radius) for i, j in (pair, pair[::-1])]
    centroid = positions.mean(axis=0)
    features = []
    for row, col in edges:
        separation = wrapped(positions[row] - positions[col])
        distance = np.linalg.norm(separation)
        from_row, from_col = (wrapped(positions[k] - centroid) for k in (row, col))
        from_row, from_col = (v / np.linalg.norm(v) for v in (from_row, from_col))
        along = separation / distance
        features.append([distance / radius, np.dot(from_row, from_col), np.dot(from_row, along)])
    for galaxy in range(len(positions)):
        edges.append((galaxy, galaxy))
        features.append([0.0, 1.0, 0.0])
    order = np.lexsort(np.array(edges).T)
    return np.array(edges).T[:, order], np.array(features)[order]


def wrapped(difference: Array) -> Array:
    """Return the minimum image of one vector, axis by axis."""
    out = difference.copy()
    for axis in range(3):
        if out[axis] > 0.5:
            out[axis] -= 1.0
        elif out[axis] < -0.5:
            out[axis] += 1.0
    return out


class Edges(nn.Module):
    """The edge update that a ``MetaLayer`` calls."""

    def __init__(self, mlp: nn.Module, residual: bool) -> None:
        super().__init__()
        self.mlp, self.residual = mlp, residual

    def forward(self, src: Tensor, dst: Tensor, edge: Tensor, u: Tensor, batch: Tensor) -> Tensor:
        """Return the updated edges."""
        out: Tensor = self.mlp(torch.cat([src, dst, edge], dim=1))
        return out + edge if self.residual else out


class Nodes(nn.Module):
    """The node update that a ``MetaLayer`` calls."""

    def __init__(self, mlp: nn.Module, residual: bool) -> None:
        super().__init__()
        self.mlp, self.residual = mlp, residual

    def forward(
        self, x: Tensor, edge_index: Tensor, edge: Tensor, u: Tensor, batch: Tensor
    ) -> Tensor:
        """Return the updated nodes."""
        to = edge_index[1]
        received = [scatter(edge, to, dim=0, dim_size=len(x), reduce=r) for r in REDUCTIONS]
        out: Tensor = self.mlp(torch.cat([x, *received, u[batch]], dim=1))
        return out + x if self.residual else out


REDUCTIONS = ("sum", "max", "mean")


class MetaEncoder(nn.Module):
    """The published network out of PyG's ``MetaLayer``, with the weights of one of ours.

    Args:
        ours: an encoder without standardisation and normalisation.
    """

    def __init__(self, ours: GraphEncoder) -> None:
        super().__init__()
        blocks = copy.deepcopy(list(ours.blocks))
        self.layers = nn.ModuleList(
            MetaLayer(Edges(block.edge_mlp, number > 0), Nodes(block.node_mlp, number > 0))
            for number, block in enumerate(blocks)
        )
        self.width = ours.width

    def forward(self, batch: Batch) -> Tensor:
        """Return latents ``[B, width]``."""
        x, edge = batch.x, batch.edge_attr
        for layer in self.layers:
            x, edge, _ = layer(x, batch.edge_index, edge, batch.u, batch.batch)
        pools = (global_add_pool, global_mean_pool, global_max_pool)
        return torch.cat([*(pool(x, batch.batch) for pool in pools), batch.u], dim=1)
