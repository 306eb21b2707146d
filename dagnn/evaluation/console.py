"""The results table for a terminal, and how numbers with intervals are written."""

from collections.abc import Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dagnn.evaluation.baselines import PRIOR_MEAN
from dagnn.evaluation.metrics import METRICS
from dagnn.evaluation.table import PREDICTORS, Block, blocks
from dagnn.records import Result

COLUMNS = ("relative_error", "r2", "chi2", "coverage68")
"""What fits into a terminal; the other metrics are in ``results.csv`` and the report."""


def number(metric: str, value: float, bare: bool = False) -> str:
    """Write a value of a metric; ``bare`` leaves out the percent sign.

    Example:
        >>> number("relative_error", 0.0412), number("chi2", 1.0), number("r2", float("nan"))
        ('4.1%', '1.00', '–')
    """
    if value != value:
        return "–"
    specification = METRICS[metric].format
    if abs(value) >= 100 and not specification.endswith("%"):
        written = f"{value:.0f}" if abs(value) < 1e6 else f"{value:.1e}"
    elif specification.endswith("g"):
        # The alternate form keeps trailing zeros: 1.00 and 0.90 read better below 1.27.
        written = f"{value:#{specification}}".rstrip(".")
    else:
        written = f"{value:{specification}}"
    written = written.replace("-", "−")
    return written.removesuffix("%") if bare else written


def with_interval(result: Result) -> str:
    """Write a value with its 95% interval.

    Example:
        >>> with_interval(Result("tng", "source", "test", "Omega_m", "r2", 0.97, 0.96, 0.98))
        '0.97 [0.96, 0.98]'
    """
    low, high = (number(result.metric, end, bare=True) for end in (result.low, result.high))
    return f"{number(result.metric, result.value)} [{low}, {high}]"


def heading(title: str, mock: bool, oracle: bool) -> str:
    """Put what a reader must not overlook before a title."""
    marks = [mark for mark, shown in (("MOCK DATA", mock), ("ORACLE", oracle)) if shown]
    return " · ".join([*marks, title])


def _add_block(table: Table, block: Block, indent: int) -> None:
    """Add one line per predictor."""
    for model, row in block.rows.items():
        label = Text(" " * indent + PREDICTORS.get(model, model))
        cells = [with_interval(row[name]) if name in row else "–" for name in COLUMNS]
        table.add_row(label, *cells, style="dim" if model == PRIOR_MEAN else "")


def console_table(
    results: Sequence[Result],
    title: str,
    mock: bool,
    *,
    oracle: bool = False,
    split: str | None = "test",
) -> Table:
    """Lay out results for a terminal of 100 columns, or for a plain log.

    Args:
        results: rows of the results table.
        title: what was run.
        mock: whether any of the data are mocks; then the title says so.
        oracle: whether target labels chose the checkpoint; then the title says so.
        split: which split to show; all of them where None.
    """
    chosen = blocks(results, split)
    parameters = list(dict.fromkeys(block.parameter for block in chosen))
    one = len(parameters) == 1
    table = Table(
        title=Text(heading(f"{title} · {parameters[0]}" if one else title, mock, oracle)),
        title_style="bold",
        caption="single seed · [95% bootstrap interval over the items] · χ² not clipped",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("suite", no_wrap=True)
    for name in COLUMNS:
        table.add_column(METRICS[name].label, justify="right", no_wrap=True)
    for name, members in groupby(chosen, key=lambda block: block.title(split is None)):
        table.add_row(Text(name, style="bold"))
        for block in members:
            if not one:
                table.add_row(Text(f"  {block.parameter}", style="italic"))
            _add_block(table, block, indent=2 if one else 4)
        table.add_section()
    if not chosen:
        table.add_row("no item with known truth")
    return table
