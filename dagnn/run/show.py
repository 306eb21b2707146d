"""What verbs print of predictions."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagnn.evaluation.storage import NO_PRIORS, Priors
from dagnn.tasks import ALL_CLASSES, AnyPredictions, task_of
from dagnn.tasks.classification_metrics import called_unknown

SHOWN = 50
"""Rows of predictions that a screen is filled with."""


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
        console.print(f"{rest} {len(predictions.ids)}.", highlight=False, soft_wrap=True)


def tell_unknown(predictions: AnyPredictions, console: Console) -> None:
    """Say how many items look like nothing that was taught, where that is known."""
    novelty = getattr(predictions, "novelty", None)
    if novelty is None or not called_unknown(novelty).any():
        return
    console.print(
        f"[yellow]Note:[/] {called_unknown(novelty).sum()} of {len(novelty)} "
        f"({called_unknown(novelty).mean():.0%}) have a novelty above 1, as 5% of the source have "
        "by definition: they are unlike what the network was taught, so they may belong to none "
        "of these classes, or be other images than those of training.",
        highlight=False,
        soft_wrap=True,
    )
