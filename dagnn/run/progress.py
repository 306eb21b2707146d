"""Progress on the error stream: a bar in a terminal, a line at the end elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a job is.

    Yields:
        A function of (done, total) that moves the bar. Without a terminal, a few
        lines say how far it is and what was done; nothing for work of no time.
    """
    started, last = time.perf_counter(), (0, 0)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            nonlocal last
            # A log gets a line at every fifth of a job that takes long enough to wonder.
            fifth = total > 0 and done * 5 // total > last[0] * 5 // total and done < total
            if fifth and not console.is_terminal and time.perf_counter() - started > 5:
                console.print(f"{title}: {done} of {total}", markup=False, highlight=False)
            last = (done, total)
            bar.update(task, completed=done, total=total)

        yield advance
    seconds = time.perf_counter() - started
    if last[1] and seconds > 0.5:
        console.print(
            f"{title}: {last[0]} of {last[1]} in {seconds:.1f} s", markup=False, highlight=False
        )


@contextmanager
def busy(console: Console, title: str) -> Iterator[None]:
    """Say what takes a while: beside a wheel in a terminal, in a line elsewhere."""
    if not console.is_terminal:
        console.print(title, markup=False, highlight=False)
        yield
        return
    with console.status(Text(title)):
        yield
