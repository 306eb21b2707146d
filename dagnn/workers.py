"""Processes that work for this one."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from types import ModuleType
from typing import TypeVar

_MAIN = "__main__"


@contextmanager
def without_main() -> Iterator[None]:
    """Let processes that start meanwhile not run the user's script again.

    A process that is spawned, as on macOS, imports the script that started it, and a script
    without ``if __name__ == "__main__"`` would begin anew there. Our workers need nothing of it.
    """
    script = sys.modules[_MAIN]
    sys.modules[_MAIN] = ModuleType(_MAIN)
    try:
        yield
    finally:
        sys.modules[_MAIN] = script


Result = TypeVar("Result")

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def _single_threads() -> Iterator[None]:
    """Let processes that start meanwhile use one thread each: the tasks are the parallel work."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def each(
    function: Callable[..., Result], tasks: Sequence[tuple[object, ...]], workers: int
) -> Iterator[tuple[int, Result]]:
    """Call a function with every task, here or in fresh processes.

    Args:
        function: importable by its name.
        tasks: its arguments.
        workers: number of processes; 1 works in this one.

    Yields:
        Number of a task and its result, in the order in which they are done.
    """
    if workers <= 1 or len(tasks) <= 1:
        for number, task in enumerate(tasks):
            yield number, function(*task)
        return
    spawn = get_context("spawn")
    with _single_threads(), ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        with without_main():
            jobs = {pool.submit(function, *task): number for number, task in enumerate(tasks)}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
