"""The summary of a comparison for a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dagnn.evaluation.measure import MODEL, SOURCE_ONLY
from dagnn.evaluation.wording import heading, plain
from dagnn.report.comparison.rows import Row, rows
from dagnn.report.comparison.runs import Group
from dagnn.report.comparison.summary import places, summarise, task_of_groups
from dagnn.report.console import stacked


def comparison_console(groups: Sequence[Group], title: str, *, narrow: bool = False) -> Table:
    """Lay out mean ± sd of every group for a terminal, or for a plain log.

    Args:
        groups: at least one.
        title: what is compared.
        narrow: whether the terminal has fewer than
            :data:`~dagnn.report.console.NARROW` columns.
    """
    mock = any(run.mock for group in groups for run in group.runs)
    oracle = any(group.oracle for group in groups)
    table = Table(
        title=Text(heading(title, mock, oracle)),
        title_style="bold",
        caption="mean ± sd over seeds · [95% bootstrap interval over the items] of a single seed",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    # Long names wrap, so that no number is ever cut.
    table.add_column("suite", overflow="fold")
    table.add_column("seeds", justify="right", no_wrap=True)
    shown = task_of_groups(groups)
    for name in shown.console:
        table.add_column(shown.metrics[name].label, justify="right", no_wrap=True)
    summaries = [(group, summarise(group)) for group in groups]
    models = (*shown.rivals, SOURCE_ONLY, MODEL)
    for place in places(groups):
        suite, role, _, parameter = place
        table.add_row(Text(f"{suite} ({role}) · {plain(parameter)}", style="bold"))
        for row in rows(summaries, place, models):
            table.add_row(*_cells(row, shown.console, narrow))
        table.add_section()
    return table


def _cells(row: Row, names: Sequence[str], narrow: bool) -> list[Text | str]:
    style = "" if row.model == MODEL else "dim"
    there = [str(row.metrics[name]) if name in row.metrics else "–" for name in names]
    numbers = [stacked(cell, narrow) for cell in there]
    return [Text(f"  {row.label}", style=style), str(len(row.group.runs)), *numbers]
