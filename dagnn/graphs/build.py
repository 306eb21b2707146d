"""One catalogue becomes one graph; several snapshots of one box become one, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dagnn.errors import ConfigError, DataError, EmptyCatalogError, MissingFieldError, nearest
from dagnn.graphs.features import CONVENTIONS, NODE_FEATURES, SELF_LOOP, pair_features
from dagnn.graphs.neighbors import both_directions, close_pairs

if TYPE_CHECKING:  # a record is only passed through: building graphs needs no file reader
    from dagnn.catalogs.catalog import Catalog


@dataclass(frozen=True)
class Graph:
    """Galaxies as nodes, close pairs as edges. Symbols: ``n`` galaxies, ``E`` edges.

    Attributes:
        x: node features ``[n, F]``; ``[n, F + S]`` for ``S`` > 1 snapshots.
        pos: positions in units of the box ``[n, 3]``.
        edge_index: ``[2, E]``: sender, receiver; sorted by receiver, then sender.
        edge_attr: edge features ``[E, 3]``.
        u: global features ``[1, S]``: log10 of the number of galaxies in each snapshot.
    """

    x: NDArray[np.float32]
    pos: NDArray[np.float32]
    edge_index: NDArray[np.int64]
    edge_attr: NDArray[np.float32]
    u: NDArray[np.float32]


def build_graph(
    positions: NDArray[np.floating],
    columns: Mapping[str, Any],
    linking_radius: float,
    features: str = "all",
    convention: str = "periodic",
) -> Graph:
    """Link galaxies closer than a radius and compute all features.

    Self-loops are added, as published, unless nodes carry no features.

    Args:
        positions: ``[n, 3]`` in units of the box.
        columns: catalogue columns by canonical name, each ``[n]``.
        linking_radius: in units of the box.
        features: node feature set, a key of :data:`~dagnn.graphs.features.NODE_FEATURES`.
        convention: a key of :data:`~dagnn.graphs.features.CONVENTIONS`.

    Raises:
        ConfigError: an unknown feature set or convention.
        EmptyCatalogError: there is no galaxy.
        MissingFieldError: a column that the feature set needs is absent.
        DataError: a column is not one number per galaxy, or gives a feature that is not finite.
        ValueError: as :func:`~dagnn.graphs.neighbors.periodic_pairs`.
    """
    if features not in NODE_FEATURES:
        raise ConfigError(f"Unknown node features {features!r}. {nearest(features, NODE_FEATURES)}")
    if convention not in CONVENTIONS:
        raise ConfigError(
            f"Unknown graph convention {convention!r}. {nearest(convention, CONVENTIONS)}"
        )
    if len(positions) == 0:
        raise EmptyCatalogError("A graph needs at least one galaxy, got none.")
    rules = CONVENTIONS[convention]
    place = np.asarray(positions).astype(rules.precision)
    if place.shape[1:] != (3,):
        raise ValueError(f"Positions are [n, 3], got an array of shape {place.shape}.")
    self_loops = bool(NODE_FEATURES[features])
    first, second = close_pairs(place, linking_radius, rules.search_box)
    edges, order = both_directions(first, second, len(place), self_loops=self_loops)
    distance, between, forward, backward = pair_features(
        place, first, second, linking_radius, rules
    )
    # As before sorting: first to second, second to first, self-loops.
    pairs = len(first)
    attributes = np.empty((len(order), 3), dtype=np.float32)
    attributes[:pairs, 0] = attributes[pairs : 2 * pairs, 0] = distance
    attributes[:pairs, 1] = attributes[pairs : 2 * pairs, 1] = between
    attributes[:pairs, 2], attributes[pairs : 2 * pairs, 2] = forward, backward
    attributes[2 * pairs :] = SELF_LOOP
    return Graph(
        x=_nodes(columns, features, len(place)),
        pos=place.astype(np.float32),
        edge_index=edges,
        edge_attr=attributes.take(order, axis=0),
        u=np.full((1, 1), np.log10(len(place)), dtype=np.float32),
    )


def graph_of(
    catalog: "Catalog", linking_radius: float, features: str = "all", convention: str = "periodic"
) -> Graph:
    """Build the graph of a catalogue; arguments as in :func:`build_graph`."""
    return build_graph(catalog.positions, catalog.columns, linking_radius, features, convention)


def _nodes(columns: Mapping[str, Any], features: str, galaxies: int) -> NDArray[np.float32]:
    """Stack the node features ``[n, F]`` and refuse what a network cannot digest."""
    names = NODE_FEATURES[features]
    absent = [name for name in names if name not in columns]
    if absent:
        raise MissingFieldError(
            f"Node features {features!r} need the columns {', '.join(absent)}; "
            f"the catalogue has {', '.join(columns)}."
        )
    if not names:
        return np.zeros((galaxies, 0), dtype=np.float32)
    for name in names:
        if np.shape(columns[name]) != (galaxies,):
            raise DataError(
                f"The column {name} has the shape {list(np.shape(columns[name]))}, and there are "
                f"{galaxies} positions. Give one number per galaxy."
            )
    values = [np.log10(1 + np.asarray(columns[name])) for name in names]
    nodes = np.stack(values, axis=1).astype(np.float32)
    finite = np.isfinite(nodes)
    if not finite.all():
        which = ", ".join(names[i] for i in np.flatnonzero(~finite.all(axis=0)))
        raise DataError(
            f"{int((~finite.all(axis=1)).sum())} galaxies have no finite log10(1 + value) in "
            f"{which}. Read the catalogue with dagnn's reader, which drops them, or choose other "
            "node features."
        )
    return nodes


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
