"""A study in a terminal."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagnn.console import screen
from dagnn.evaluation.wording import heading
from dagnn.tune.choices import Chosen, choices, verdict
from dagnn.tune.outcomes import Outcome
from dagnn.tune.study import Study

ORACLE_NOTE = (
    "ORACLE columns were measured on labelled test items of the target after each training. The "
    "search never read them; nobody has them for a real target."
)


def number(value: float) -> str:
    """Write a score."""
    return "–" if math.isnan(value) else f"{value:.4g}".replace("-", "−")


def setting(value: Any) -> str:
    """Write a drawn value."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def settings(values: Mapping[str, Any]) -> str:
    """Write drawn values in a line, by the last words of their keys."""
    return ", ".join(f"{short(key)} {setting(value)}" for key, value in values.items())


def short(key: str) -> str:
    """Return the part of a dotted key that tells it apart for a reader.

    Example:
        >>> short("loss.terms.mmd.weight"), short("training.learning_rate")
        ('mmd.weight', 'learning_rate')
    """
    parts = key.split(".")
    return ".".join(parts[-2:] if parts[0] in ("loss", "model") and len(parts) > 2 else parts[-1:])


def state(outcome: Outcome) -> str:
    """Write how a trial ended."""
    if outcome.state == "pruned":
        return f"pruned at {outcome.epochs}"
    if outcome.state == "failed":
        return f"failed: {outcome.reason.splitlines()[0] if outcome.reason else 'unknown'}"
    return outcome.state


def show_study(
    study: Study, outcomes: Sequence[Outcome], importance: Mapping[str, float], address: str
) -> None:
    """Print trials, importances, what would be chosen, and how to look closer.

    Args:
        study: what is searched.
        outcomes: of all trials.
        importance: of each key.
        address: what optuna-dashboard takes.
    """
    console = screen(130)
    mock = any(outcome.mock for outcome in outcomes)
    console.print(_trials(study, outcomes, mock))
    if importance:
        console.print(_importances(importance, study.objectives[0]))
    found = choices(study, outcomes)
    if found:
        console.print(_choices(found, study.scores))
        console.print(verdict(found), highlight=False)
        console.print(ORACLE_NOTE, style="dim")
    console.print(
        f"\nLook closer: optuna-dashboard {address}   (pip install optuna-dashboard)",
        highlight=False,
        soft_wrap=True,
    )


def show_chosen(
    study: Study, outcomes: Sequence[Outcome], taken: Outcome, console: Console
) -> None:
    """Say which trial was taken and what it is worth."""
    console.print(
        f"Trial {taken.number} of {len(outcomes)}: {settings(taken.values)}",
        highlight=False,
        soft_wrap=True,
    )
    scores = "  ".join(f"{name} {number(value)}" for name, value in taken.scores.items())
    console.print(f"Without target labels: {scores}", highlight=False, soft_wrap=True)


def _trials(study: Study, outcomes: Sequence[Outcome], mock: bool) -> Table:
    table = Table(
        title=Text(heading(f"study {study.name}", mock, False)),
        title_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
    )
    table.add_column("trial", justify="right")
    table.add_column("state", overflow="ellipsis", max_width=34, no_wrap=True)
    for name in study.scores:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("values", overflow="fold")
    table.add_column("s", justify="right")
    for outcome in outcomes:
        scores = [number(outcome.scores.get(name, math.nan)) for name in study.scores]
        seconds = "–" if math.isnan(outcome.seconds) else f"{outcome.seconds:.1f}"
        cells = [str(outcome.number), state(outcome), *scores, settings(outcome.values), seconds]
        table.add_row(*map(Text, cells))
    return table


def _importances(importance: Mapping[str, float], objective: str) -> Table:
    table = Table(
        title=f"importance for {objective} (with few trials this is rough)",
        title_style="bold",
        title_justify="left",
        box=None,
        show_header=False,
    )
    for key, share in importance.items():
        table.add_row(Text(key), f"{share:.0%}", "█" * round(30 * share))
    return table


def _choices(found: Sequence[Chosen], scores: Sequence[str]) -> Table:
    table = Table(
        title="what to take", title_style="bold", title_justify="left", box=SIMPLE_HEAD,
        show_edge=False,
    )  # fmt: skip
    table.add_column("choice")
    table.add_column("trial", justify="right")
    for name in (*scores, "ORACLE target error", "ORACLE target R²"):
        table.add_column(name, justify="right")
    for one in found:
        measured = [number(one.outcome.scores.get(name, math.nan)) for name in scores]
        target = [number(one.outcome.target.get(name, math.nan)) for name in ("error", "r2")]
        style = "yellow" if one.oracle else ""
        cells = [one.label, str(one.outcome.number), *measured, *target]
        table.add_row(*map(Text, cells), style=style)
    return table
