"""What verbs print of predictions."""

from collections.abc import Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagnn.evaluation.storage import NO_PRIORS, Priors
from dagnn.records import ClassPredictions, Predictions
from dagnn.tasks import AnyPredictions
from dagnn.tasks.classification_metrics import called_unknown
from dagnn.tasks.regression import limits, outside

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
    if isinstance(predictions, ClassPredictions):
        _show_classes(predictions, console)
        return
    marks = [_marks(predictions, column, priors) for column in range(len(predictions.parameters))]
    table = Table(box=SIMPLE_HEAD, caption=_legend(marks, priors))
    table.add_column("input", overflow="fold")
    for name in predictions.parameters:
        table.add_column(name, justify="right")
        if np.isfinite(predictions.truth).any():
            table.add_column("truth", justify="right")
    for row, name in enumerate(predictions.ids[:SHOWN]):
        cells: list[Text | str] = []
        for column in range(len(predictions.parameters)):
            mean, std = predictions.mean[row, column], predictions.std[row, column]
            mark = marks[column][row]
            cells.append(Text(f"{mean:.4f} ± {std:.4f}{mark}", style="yellow" if mark else ""))
            if np.isfinite(predictions.truth).any():
                cells.append(f"{predictions.truth[row, column]:.4f}")
        table.add_row(Text(name), *cells)
    console.print(table)
    _tell_more(len(predictions.ids), console)


def _marks(predictions: Predictions, column: int, priors: Priors) -> list[str]:
    """Return what stands behind each item of one parameter."""
    name = predictions.parameters[column]
    if name not in priors:
        return [""] * len(predictions.ids)
    masks = outside(priors[name], predictions.mean[:, column], predictions.std[:, column])
    return [" !!" if mean else " !" if bar else "" for mean, bar in zip(*masks, strict=True)]


def _legend(marks: Sequence[Sequence[str]], priors: Priors) -> str | None:
    if not any(map(any, marks)):
        return None
    ranges = ", ".join(f"{name} {limits(prior)}" for name, prior in priors.items())
    return f"!! outside the prior ({ranges}) · ! the error bar (1σ) reaches beyond it"


def _show_classes(predictions: ClassPredictions, console: Console) -> None:
    """Print class probabilities and novelty of the first items, and which class is likeliest."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("input", overflow="fold")
    table.add_column("class")
    for name in predictions.classes:
        table.add_column(Text(name), justify="right")
    novelty = predictions.novelty
    if novelty is not None:
        table.add_column("novelty", justify="right")
    for row, best in enumerate(predictions.probability[:SHOWN].argmax(1)):
        cells = [Text(f"{share:.1%}") for share in predictions.probability[row]]
        if novelty is not None:
            strange = called_unknown(novelty)[row]
            cells.append(Text(f"{novelty[row]:.2f}", style="yellow" if strange else ""))
        label = Text(predictions.classes[best], style="bold")
        table.add_row(Text(predictions.ids[row]), label, *cells)
    console.print(table)
    _tell_more(len(predictions.ids), console)


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


def _tell_more(items: int, console: Console) -> None:
    if items > SHOWN:
        told = f"and {items - SHOWN} more: --out FILE.csv writes all {items}."
        console.print(told, highlight=False, soft_wrap=True)
