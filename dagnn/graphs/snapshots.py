"""Several snapshots of one box become one graph."""

from collections.abc import Sequence

import numpy as np

from dagnn.graphs.build import Graph


def join_snapshots(graphs: Sequence[Graph]) -> Graph:
    """Return the disjoint union of a box's graphs, one per snapshot.

    Galaxies of different snapshots are never linked: a galaxy's progenitor lies
    elsewhere, and catalogues do not tell which one it is. Every galaxy gets one
    further column per snapshot, 1 for its own and 0 for the others, so that a
    network can treat them differently. Edges stay sorted by receiver, then sender.

    Args:
        graphs: ``S`` of them, snapshot by snapshot.

    Returns:
        ``x [n, F + S]`` and ``u [1, S]``; a single graph is returned as it is.
    """
    if len(graphs) == 1:
        return graphs[0]
    counts = [len(graph.x) for graph in graphs]
    own = np.repeat(np.eye(len(graphs), dtype=np.float32), counts, axis=0)
    first = np.cumsum([0, *counts[:-1]])
    edges = [graph.edge_index + start for graph, start in zip(graphs, first, strict=True)]
    return Graph(
        x=np.concatenate([np.concatenate([graph.x for graph in graphs]), own], axis=1),
        pos=np.concatenate([graph.pos for graph in graphs]),
        edge_index=np.concatenate(edges, axis=1),
        edge_attr=np.concatenate([graph.edge_attr for graph in graphs]),
        u=np.concatenate([graph.u for graph in graphs], axis=1),
    )
