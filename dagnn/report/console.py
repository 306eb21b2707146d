"""Tables for a terminal: the results of one run, and the summary of a comparison."""

from collections.abc import Sequence
from itertools import groupby
from types import MappingProxyType

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dagnn.evaluation.measure import (
    MODEL,
    ORACLE,
    PREDICTORS,
    SOURCE_ONLY,
    Block,
    blocks,
)
from dagnn.evaluation.wording import heading, plain, with_interval
from dagnn.records import Result
from dagnn.report.comparison.runs import Group, qualifiers
from dagnn.report.comparison.summary import places, rows, summarise, task_of_groups
from dagnn.tasks import ALL_CLASSES, task_of_results
from dagnn.tasks.task import BASELINES

NARROW = 100
"""In a terminal of fewer columns intervals stand below their values, so that none is cut."""
ROW_STYLES = MappingProxyType({ORACLE: "bold yellow"} | dict.fromkeys(BASELINES, "dim"))
"""Of rows that are not of the trained networks; an oracle is also marked in its name."""


def stacked(cell: str, narrow: bool) -> str:
    """Put an interval below its value where there is no room beside it.

    Example:
        >>> stacked("0.97 [0.96, 0.98]", narrow=True).splitlines()
        ['0.97', '[0.96, 0.98]']
    """
    return cell.replace(" [", "\n[") if narrow else cell


def _add_block(table: Table, block: Block, names: Sequence[str], indent: int, narrow: bool) -> None:
    """Add one line per predictor."""
    for model, row in block.rows.items():
        label = Text(" " * indent + PREDICTORS.get(model, model))
        cells = [
            stacked(with_interval(row[name]), narrow) if name in row else "–" for name in names
        ]
        table.add_row(label, *cells, style=ROW_STYLES.get(model, ""))


def console_table(
    results: Sequence[Result],
    title: str,
    mock: bool,
    *,
    oracle: bool = False,
    narrow: bool = False,
) -> Table:
    """Lay out results for a terminal of 100 columns, or for a plain log.

    Args:
        results: rows of the results table.
        title: what was run.
        mock: whether any of the data are mocks; then the title is marked.
        oracle: whether target labels chose the checkpoint; then the title is marked.
        narrow: whether the terminal has fewer than :data:`NARROW` columns.
    """
    task = task_of_results(results)
    chosen = [block for block in blocks(results) if block.has(task.headline)]
    parameters = list(dict.fromkeys(block.parameter for block in chosen))
    one = len(parameters) == 1
    named = one and parameters != [ALL_CLASSES]
    several = len({block.split for block in chosen}) > 1
    table = Table(
        title=Text(heading(f"{title} · {parameters[0]}" if named else title, mock, oracle)),
        title_style="bold",
        caption=task.caption,
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("suite", no_wrap=True)
    for name in task.console:
        table.add_column(task.metrics[name].label, justify="right", no_wrap=True)
    for name, members in groupby(chosen, key=lambda block: block.title(several)):
        table.add_row(Text(name, style="bold"))
        for block in members:
            if not one:
                table.add_row(Text(f" {block.parameter}", style="italic"))
            _add_block(table, block, task.console, 1 if one else 2, narrow)
        table.add_section()
    if not chosen:
        table.add_row("no item with known truth")
    return table


def comparison_console(groups: Sequence[Group], title: str, *, narrow: bool = False) -> Table:
    """Lay out mean ± sd of every group for a terminal, or for a plain log.

    Args:
        groups: at least one.
        title: what is compared.
        narrow: whether the terminal has fewer than :data:`NARROW` columns.
    """
    table = Table(
        title=Text(heading(title, **qualifiers(groups))),
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
            label = Text(f"  {row.label}", style="" if row.model == MODEL else "dim")
            cells = [stacked(str(row.metrics.get(name, "–")), narrow) for name in shown.console]
            table.add_row(label, str(len(row.group.runs)), *cells)
        table.add_section()
    return table
