"""The edges of a graph in pieces that fit the cache, and threads that work on them.

A single operation on one piece is too small to be worth splitting between cores, and some,
such as sums by index, PyTorch does not split at all. Pieces do not depend on each other, so
each thread works on a run of them.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor

# Edges and nodes in one piece on a CPU: 8192 rows of 64 numbers are 2 MiB. Half or twice as
# many cost some per cent more.
PIECE = 8192

FEWEST_ITEMS = 2
"""Of a thread; with fewer, threads wait for one another as long as they work."""

Result = TypeVar("Result")
Item = TypeVar("Item")


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


def in_threads(work: Callable[[Sequence[Item]], Result], items: Sequence[Item]) -> list[Result]:
    """Deal items out in runs of neighbours, one per thread of PyTorch, and work on all at once.

    Every thread does its own operations alone; few items keep fewer threads busy, and where one
    is enough it is the calling thread. Results depend on the number of threads alone, not on
    which of them is faster.

    Args:
        work: called with consecutive items; without gradients, outside autocast.
        items: at least one.

    Returns:
        What each call returned, in the order of the items.

    Example:
        >>> sum(in_threads(sum, range(10)))
        45
    """
    threads = torch.get_num_threads()
    shares = min(threads, len(items) // FEWEST_ITEMS)
    if shares < 2:
        return [work(items)]
    cuts = [len(items) * share // shares for share in range(shares + 1)]
    runs = [items[start:stop] for start, stop in pairwise(cuts)]
    return list(_team(threads, os.getpid()).map(_as_here(work), runs))


def _as_here(work: Callable[[Sequence[Item]], Result]) -> Callable[[Sequence[Item]], Result]:
    """Return work that records nothing, and in inference mode where the caller is.

    Either is known to each thread alone.
    """
    inference = torch.is_inference_mode_enabled()

    def quietly(items: Sequence[Item]) -> Result:
        # In this order: where inference mode is off, entering it turns gradients on.
        with torch.inference_mode(inference), torch.no_grad():
            return work(items)

    return quietly


@lru_cache(maxsize=1)
def _team(threads: int, process: int) -> ThreadPoolExecutor:
    """Return threads that do their operations alone; a forked process needs its own."""
    team = ThreadPoolExecutor(threads, "dagnn", initializer=_work_alone)
    all_here = Barrier(threads)
    try:
        list(team.map(lambda _: all_here.wait(), range(threads)))
    except BaseException:
        all_here.abort()  # those that wait for one that cannot be started would wait for ever
        team.shutdown(wait=False)
        raise
    finally:
        # Setting the number in a thread changes that of threads to come as well; undo this.
        torch.set_num_threads(threads)
    return team


def _work_alone() -> None:
    """Keep the operations of this thread in this thread."""
    torch.get_num_threads()  # only once a thread has asked does it keep a number of its own
    torch.set_num_threads(1)
