"""Work on the pieces of a graph in several threads.

A single operation on one piece is too small to be worth splitting between cores, and some,
such as sums by index, PyTorch does not split at all. Pieces have nothing to do with each
other, so each thread takes a run of them.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

import torch

FEWEST_ITEMS = 2
"""Of a thread; with fewer, threads wait for one another as long as they work."""

Result = TypeVar("Result")
Item = TypeVar("Item")


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
