"""From galaxies to graphs: periodic neighbours, invariant features, graph records."""

from dagnn.graphs.build import Graph, build_graph, graph_of, join_snapshots
from dagnn.graphs.features import CONVENTIONS, NODE_FEATURES, Convention
from dagnn.graphs.neighbors import periodic_pairs

__all__ = [
    "CONVENTIONS",
    "NODE_FEATURES",
    "Convention",
    "Graph",
    "build_graph",
    "graph_of",
    "join_snapshots",
    "periodic_pairs",
]
