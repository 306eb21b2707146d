"""The summary of a comparison for a terminal."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dagnn.evaluation.comparison.runs import Group
from dagnn.evaluation.comparison.summary import Measured, Place, places, summarise, view
from dagnn.evaluation.table import MODEL, PREDICTORS, SOURCE_ONLY
from dagnn.evaluation.views import View
from dagnn.evaluation.wording import heading, plain


def comparison_console(groups: Sequence[Group], title: str) -> Table:
    """Lay out mean ± sd of every group for a terminal, or for a plain log."""
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
    shown = view(groups)
    for name in shown.console:
        table.add_column(shown.metrics[name].label, justify="right", no_wrap=True)
    summaries = [(group, summarise(group)) for group in groups]
    for place in places(groups):
        suite, role, _, parameter = place
        table.add_row(Text(f"{suite} ({role}) · {plain(parameter)}", style="bold"))
        for row in _rows(summaries, place, shown):
            table.add_row(*row)
        table.add_section()
    return table


def _rows(
    summaries: Sequence[tuple[Group, Measured]], place: Place, shown: View
) -> list[list[Text | str]]:
    """Give one line per group and predictor; the guess of the first group stands for all."""
    rows: list[list[Text | str]] = []
    seen_prior = False
    for group, found in summaries:
        for model in (shown.guess, SOURCE_ONLY, MODEL):
            metrics = found.get(place, {}).get(model)
            if metrics is None or (model == shown.guess and seen_prior):
                continue
            seen_prior |= model == shown.guess
            word = "" if model == MODEL else PREDICTORS[model]
            label = word if model == shown.guess else " · ".join(filter(None, (group.label, word)))
            style = "" if model == MODEL else "dim"
            cells = [str(metrics[name]) if name in metrics else "–" for name in shown.console]
            rows.append([Text(f"  {label}", style=style), str(len(group.runs)), *cells])
    return rows
