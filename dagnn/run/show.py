"""Predictions of new files: to a CSV file, or to the screen."""

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagnn.console import print_line, print_notes, screen
from dagnn.errors import UsageError
from dagnn.evaluation.beyond import beyond_prior
from dagnn.evaluation.storage import NO_PRIORS, Priors, Remarks, write_predictions
from dagnn.parameters import Scaling
from dagnn.run.folder import RunFolder
from dagnn.tasks import ALL_CLASSES, AnyPredictions, task_of
from dagnn.tasks.classification_metrics import called_unknown
from dagnn.tasks.prior import Prior

OUTSIDE = "outside_training_range"
"""Column of a file of predictions: what of an input training has not seen; empty if nothing."""
STATISTICS = "statistics"
"""Column of a file of predictions: the suite whose statistics inputs are seen through."""
FIRST_COLUMNS = "suite,role,split,id,"
"""How every file of predictions begins."""
_OTHER = "Give another --out"
SHOWN = 50
"""Rows of predictions that a screen is filled with."""


def require_replaceable(out: Path | None) -> None:
    """Refuse a file that holds something else than predictions.

    Args:
        out: where predictions shall go; None is the screen.

    Raises:
        UsageError: it does, or it cannot be a file.
    """
    if out is None or not out.exists():
        return
    if out.is_dir():
        raise UsageError(f"{out} is a folder. Give --out a file, such as {out / 'new.csv'}.")
    run = RunFolder(out.parent)
    if run.config.is_file() and out.resolve() == run.predictions.resolve():
        raise UsageError(f"{out} holds what {run.path} is measured by. {_OTHER}.")
    with out.open(encoding="utf-8-sig", errors="replace") as stream:
        start = next((line for line in stream if line.strip()), FIRST_COLUMNS)
    if not start.startswith(FIRST_COLUMNS):
        raise UsageError(f"{out} exists and does not hold predictions. {_OTHER}.")


def deliver(
    predictions: Sequence[AnyPredictions],
    out: Path | None,
    console: Console,
    remarks: Remarks,
    *,
    scaling: Scaling,
    mock: bool,
) -> None:
    """Write predictions to a CSV file, with columns of remarks, or show them.

    Args:
        predictions: what to deliver, of one suite each.
        out: CSV file; the screen if None.
        console: where notes go, such as what reaches beyond the prior.
        remarks: further columns.
        scaling: names and priors of the training set; none of classes.
        mock: whether network or inputs come of mock data; every row of the file says so.
    """
    priors = Prior.within(scaling.limits)
    print_notes(console, [each.sentence() for each in beyond_prior(predictions, priors)])
    for each in predictions:
        tell_unknown(each, console)
        if out is None:
            show_predictions(each, screen(), priors)
    if out is not None:
        write_predictions(out, predictions, remarks, priors=priors, mock=mock)
        count = sum(len(each.ids) for each in predictions)
        print_line(console, f"{count} predictions: {out}")


def show_predictions(
    predictions: AnyPredictions, console: Console, priors: Priors = NO_PRIORS
) -> None:
    """Print predictions of the first items, with true parameters where they are known.

    Args:
        predictions: in physical units.
        console: where to print.
        priors: of the training set; what lies outside them is marked.
    """
    columns, rows, caption = task_of(predictions).screen(predictions, priors)
    table = Table(box=SIMPLE_HEAD, caption=caption)
    table.add_column("input", overflow="fold")
    for name in columns:
        table.add_column(Text(name), justify="left" if name == ALL_CLASSES else "right")
    for item, cells in zip(predictions.ids[:SHOWN], rows, strict=False):
        table.add_row(Text(item), *(Text(text, style=style) for text, style in cells))
    console.print(table)
    if len(predictions.ids) > SHOWN:
        rest = f"and {len(predictions.ids) - SHOWN} more: --out FILE.csv writes all"
        print_line(console, f"{rest} {len(predictions.ids)}.")


def tell_unknown(predictions: AnyPredictions, console: Console) -> None:
    """Print how many items are unlike the training set, where that is known."""
    novelty = getattr(predictions, "novelty", None)
    if novelty is None or not called_unknown(novelty).any():
        return
    unknown = called_unknown(novelty)
    print_notes(
        console,
        [
            f"{unknown.sum()} of {len(novelty)} ({unknown.mean():.0%}) have a novelty above 1, as "
            "5% of the source have by definition: they are unlike the training set, so they may "
            "belong to none of these classes, or be other images than those of training."
        ],
    )
