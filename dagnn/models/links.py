"""The edges of a graph, sorted by receiver and cut into pieces that fit the cache."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

# Edges and nodes in one piece on a CPU: 8192 rows of 64 numbers are 2 MiB. Half or twice as
# many cost some per cent more.
PIECE = 8192


@dataclass(frozen=True)
class Piece:
    """Consecutive nodes and the edges that arrive at them, as half-open ranges."""

    nodes: slice
    edges: slice


@dataclass(frozen=True)
class Links:
    """Edges sorted by receiver.

    Attributes:
        sender: node that each edge leaves ``[E]``.
        receiver: node that each edge reaches ``[E]``, never decreasing.
        local: number of the receiver within its piece ``[E]``.
        degree: number of edges that reach each node ``[N]``.
        pieces: cover all nodes and all edges, in order.
    """

    sender: Tensor
    receiver: Tensor
    local: Tensor
    degree: Tensor
    pieces: tuple[Piece, ...]


def sort_by_receiver(edge_index: Tensor, edge: Tensor) -> tuple[Tensor, Tensor]:
    """Return edges, and their features, in the order of their receivers.

    Edges that are in order come back as they are: datasets of this package keep them so.

    Args:
        edge_index: ``[2, E]``, sender and receiver.
        edge: features ``[E, F]``.
    """
    receiver = edge_index[1]
    if bool((receiver[1:] >= receiver[:-1]).all()):
        return edge_index, edge
    order = receiver.argsort(stable=True)
    return edge_index.index_select(1, order), edge.index_select(0, order)


def link(edge_index: Tensor, nodes: int) -> Links:
    """Find the pieces of edges that are sorted by receiver.

    A CPU works on pieces that stay in its cache. A GPU takes all edges at once.

    Args:
        edge_index: ``[2, E]``, sorted by its second row.
        nodes: number of nodes ``N``.
    """
    sender, receiver = edge_index
    numbers = torch.arange(nodes + 1, device=receiver.device)
    pointer = torch.searchsorted(receiver.contiguous(), numbers)
    degree = pointer.diff()
    if receiver.device.type != "cpu":
        whole = Piece(slice(0, nodes), slice(0, len(receiver)))
        return Links(sender, receiver, receiver, degree, (whole,))
    work = pointer + numbers
    cuts = torch.searchsorted(work, torch.arange(0, int(work[-1]), PIECE))
    first = torch.tensor(sorted({*cuts.tolist(), nodes}))
    ends = list(zip(first.tolist(), pointer[first].tolist(), strict=True))
    pieces = tuple(
        Piece(slice(node, next_node), slice(edge, next_edge))
        for (node, edge), (next_node, next_edge) in pairwise(ends)
    )
    start = first[:-1].repeat_interleave(pointer[first].diff())
    return Links(sender, receiver, receiver - start, degree, pieces)
