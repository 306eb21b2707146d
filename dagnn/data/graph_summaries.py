"""Summary numbers of galaxy graphs, per snapshot."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.utils import scatter


def snapshot_means(data: Any, node: Tensor, edge: Tensor, snapshots: int) -> tuple[Tensor, Tensor]:
    """Average node features and degrees over the galaxies of every snapshot.

    Args:
        data: flat ``x [N, F + S]`` (``[N, F]`` for one snapshot, see
            :func:`dagnn.graphs.join_snapshots`) and ``edge_index [2, E]``, local to graphs.
        node: first node of every graph ``[n + 1]``.
        edge: first edge of every graph ``[n + 1]``.
        snapshots: ``S``.

    Returns:
        Means ``[n, S, F]``, edges per galaxy ``[n, S]``.
    """
    galaxies, edges = node.diff(), edge.diff()
    graphs = len(galaxies)
    part = torch.arange(graphs, device=node.device).repeat_interleave(galaxies) * snapshots
    features = data.x.shape[1] - (snapshots if snapshots > 1 else 0)
    if snapshots > 1:
        part = part + data.x[:, features:].argmax(1)
    mean = scatter(data.x[:, :features], part, 0, graphs * snapshots, "mean")
    receiver = data.edge_index[1] + node[:-1].repeat_interleave(edges)
    arriving = part[receiver].bincount(minlength=graphs * snapshots)
    degree = arriving / part.bincount(minlength=graphs * snapshots)
    return mean.view(graphs, snapshots, features), degree.view(graphs, snapshots)
