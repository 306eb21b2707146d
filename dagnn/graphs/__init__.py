"""From galaxies to graphs: periodic neighbours, invariant features, graph records."""

from dagnn.graphs.build import Graph, build_graph, graph_of
from dagnn.graphs.features import CONVENTIONS, NODE_FEATURES, Convention, edge_features
from dagnn.graphs.neighbors import periodic_pairs
from dagnn.graphs.snapshots import join_snapshots

__all__ = [
    "CONVENTIONS",
    "NODE_FEATURES",
    "Convention",
    "Graph",
    "build_graph",
    "edge_features",
    "graph_of",
    "join_snapshots",
    "periodic_pairs",
]
