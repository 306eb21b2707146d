"""Classification: probabilities of classes, and the novelty of items of an unknown class."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import Tensor

from dagnn.records import ClassPredictions, FloatArray, IntArray, Logits
from dagnn.tasks.classification_metrics import BY_CLASS, CLASS_METRICS, OPEN_METRICS, confusion
from dagnn.tasks.metrics import Metric
from dagnn.tasks.task import CAPTION, PRIOR_CLASS, Cells, ReadNumber, Task, Unit, cell

ALL_CLASSES = "class"
"""What stands in the column ``parameter`` where all classes are measured together."""
NOVELTY = "novelty"
"""Column of the distance from the training set; older files lack it."""
UNKNOWN = "(unknown)"
"""How a truth is written that is none of the network's classes; no label is an empty cell."""


def class_frequencies(labels: IntArray, classes: int) -> FloatArray:
    """Return the share of each known class among labels ``[n]``, ``[K]``.

    Raises:
        ValueError: none of the labels is a known class.

    Example:
        >>> class_frequencies(np.array([0, 0, 0, 1, -1]), 2)
        array([0.75, 0.25])
    """
    known = labels[(labels >= 0) & (labels < classes)]
    if not len(known):
        raise ValueError("No item has a known class, so there are no frequencies.")
    return np.asarray(np.bincount(known, minlength=classes) / len(known))


def probability_column(name: str) -> str:
    """Return the column that holds the probability of a class."""
    return f"p({name})"


class Classification(Task):
    """Probabilities of classes."""

    name = "classification"
    names_field = "classes"
    metrics = MappingProxyType({**BY_CLASS, **CLASS_METRICS, **OPEN_METRICS})
    report = ("balanced_accuracy", "accuracy", "auc", "f1", "brier", "ece")
    console = ("balanced_accuracy", "accuracy", "auc")
    caption = f"{CAPTION} · balanced: classes count alike"
    headline = "balanced_accuracy"
    better = "high"
    opening = "classes are recognised with a balanced accuracy of"
    guess_model = PRIOR_CLASS
    rivals = MappingProxyType({PRIOR_CLASS: "guessing by class frequencies"})
    gap = "balanced_accuracy"
    remark = (
        "Source-only is the same network trained without the target. Class frequencies are "
        "those of the source: what anyone could predict without looking. Where classes are "
        "unequal, accuracy alone rewards naming the most frequent one."
    )
    use = (
        "Telling the classes named here apart in images made like those it was trained on, and "
        "studying how well that carries over from one survey or simulation to another. The "
        "probabilities assume the class frequencies that training was weighted to: those of the "
        "source, or equal ones where its loss is balanced."
    )
    compared = ("balanced_accuracy", "accuracy", "auc", "f1", "brier", "ece")
    changes = ("balanced_accuracy", "accuracy", "auc", "brier", "ece")
    panels = ("balanced_accuracy", "auc", "ece")
    matrix = ("balanced_accuracy", "auc")
    measure = "Balanced accuracy"
    what = "classes are predicted"
    needed_columns = ("suite", "role", "split", "id", "truth", "label", "model")

    def decode(self, prediction: Any, answer: Sequence[str]) -> dict[str, Tensor]:
        """Return the probabilities of the classes."""
        if not isinstance(prediction, Logits):
            raise TypeError(f"Expected class scores, got {type(prediction).__name__}.")
        if prediction.logits.shape[1] != len(answer):
            raise ValueError(
                f"The network has {prediction.logits.shape[1]} classes, the data have "
                f"{len(answer)} ({', '.join(answer)})."
            )
        return {"probability": prediction.logits.double().softmax(-1)}

    def record(
        self, decoded: Mapping[str, FloatArray], truth: Tensor, answer: Sequence[str], **of: Any
    ) -> ClassPredictions:
        """Return class probabilities."""
        labels = np.asarray(truth.cpu().numpy(), dtype=np.int64)
        probability = decoded["probability"]
        return ClassPredictions(classes=tuple(answer), truth=labels, probability=probability, **of)

    def known(self, predictions: ClassPredictions) -> np.ndarray:
        """Return which items have a label."""
        return np.asarray(predictions.truth >= 0)

    def guess(self, predictions: ClassPredictions, reference: FloatArray) -> ClassPredictions:
        """Predict the class frequencies of the source; nothing is novel to them."""
        items = len(predictions.ids)
        return replace(
            predictions,
            probability=np.tile(reference, (items, 1)),
            latent=np.zeros((items, 0)),
            model=PRIOR_CLASS,
            novelty=None if predictions.novelty is None else np.zeros(items),
        )

    def units(self, predictions: ClassPredictions, reference: Any = None) -> Iterator[Unit]:
        """Give all classes together, each class, and what concerns unknown classes.

        Items of a class that the network does not know count in the metrics of unknown
        classes only, which are measured where there are such items and their novelty is known.
        """
        rows = np.flatnonzero(predictions.truth >= 0)
        truth, probability = predictions.truth[rows], predictions.probability[rows]
        known = truth < len(predictions.classes)
        if known.any():
            sample = truth[known], probability[known]
            measured = {
                name: partial(_of_known, metric, sample, known)
                for name, metric in CLASS_METRICS.items()
            }
            yield Unit((ALL_CLASSES,), rows, measured)
            occurs = confusion(*sample).sum(-1) > 0
            names = tuple(np.array(predictions.classes)[occurs].tolist())
            by_class = {
                name: partial(_of_each, metric, sample, known, occurs)
                for name, metric in BY_CLASS.items()
            }
            yield Unit(names, rows, by_class, paired=False)
        if not known.all() and predictions.novelty is not None:
            everything = truth, probability, predictions.novelty[rows]
            measured = {
                name: partial(_of_all, metric, everything) for name, metric in OPEN_METRICS.items()
            }
            yield Unit((ALL_CLASSES,), rows, measured, paired=False)

    def comparable(self, first: ClassPredictions, second: ClassPredictions) -> tuple[str, ...]:
        """Return the classes where both have the same ones in the same order."""
        return first.classes if first.classes == second.classes else ()

    def truths(self, predictions: ClassPredictions, names: Sequence[str]) -> FloatArray:
        """Return the class numbers as one column; NaN where there is no label."""
        labels = predictions.truth[:, None]
        return np.where(labels < 0, np.nan, labels)

    def restrict(self, predictions: ClassPredictions, names: Sequence[str]) -> ClassPredictions:
        """Keep the items of known class."""
        known = (predictions.truth >= 0) & (predictions.truth < len(predictions.classes))
        return predictions.take(np.flatnonzero(known).tolist())

    def colourings(
        self, predictions: Sequence[ClassPredictions]
    ) -> dict[str, tuple[list[FloatArray], Cells]]:
        """Colour by true class."""
        names = predictions[0].classes if predictions else ()
        if any((each.truth == len(names)).any() for each in predictions):
            names = (*names, "unknown")
        return {ALL_CLASSES: ([self.truths(each, ())[:, 0] for each in predictions], names)}

    def screen(
        self, predictions: ClassPredictions, priors: object
    ) -> tuple[list[str], Iterator[list[tuple[str, str]]], None]:
        """Give the most probable class, all probabilities, and the novelty where known."""
        p = predictions
        novelty = [None] * len(p.ids) if p.novelty is None else p.novelty.tolist()
        rows = (
            [
                (p.classes[shares.argmax()], "bold"),
                *((f"{share:.1%}", "") for share in shares),
                *([] if new is None else [(f"{new:.2f}", "yellow" if new > 1 else "")]),
            ]
            for shares, new in zip(p.probability, novelty, strict=True)
        )
        return [ALL_CLASSES, *p.classes, *([] if p.novelty is None else [NOVELTY])], rows, None

    def columns(self, predictions: Sequence[ClassPredictions], priors: object) -> Cells:
        """Return true class, most probable class, all probabilities and the novelty."""
        classes = {each.classes for each in predictions}
        if len(classes) != 1:
            raise ValueError(f"One table holds predictions of the same classes, got {classes}.")
        *before, model = self.needed_columns
        return (*before, *map(probability_column, classes.pop()), NOVELTY, model)

    def cells(self, predictions: ClassPredictions, priors: object) -> Iterator[tuple[str, Cells]]:
        """Give one row per item."""
        p = predictions
        names = [*p.classes, UNKNOWN, ""]
        novelty = np.full(len(p.ids), np.nan) if p.novelty is None else p.novelty
        for row, (item, label) in enumerate(zip(p.ids, p.probability.argmax(1), strict=True)):
            where = (p.suite, p.role, p.split, item, names[p.truth[row]], p.classes[label])
            shares = map(cell, p.probability[row])
            yield item, (*where, *shares, cell(novelty[row]), p.model)

    def read(
        self, rows: Sequence[tuple[int, Mapping[str, str]]], number: ReadNumber, **of: Any
    ) -> ClassPredictions:
        """Read one item per row."""
        columns = [name for name in rows[0][1] if name.startswith("p(") and name.endswith(")")]
        if not columns:
            raise ValueError(": no column with the probability of a class.")
        classes = tuple(name[2:-1] for name in columns)
        numbers = {name: k for k, name in enumerate([*classes, UNKNOWN])} | {"": -1}
        truth, probability, novelty = [], [], []
        for line, row in rows:
            shares = [number(line, row, column) for column in columns]
            if not (min(shares) >= 0 and math.isclose(sum(shares), 1, abs_tol=1e-3)):
                raise ValueError(f", line {line}: probabilities do not sum to one.")
            if row["truth"] not in numbers:
                raise ValueError(
                    f", line {line}, column truth: {row['truth']!r} is none of the classes "
                    f"{', '.join(classes)}."
                )
            truth.append(numbers[row["truth"]])
            probability.append(shares)
            novelty.append(number(line, row, NOVELTY) if NOVELTY in row else math.nan)
        return ClassPredictions(
            ids=tuple(row["id"] for _, row in rows),
            classes=classes,
            truth=np.array(truth, dtype=np.int64),
            probability=np.array(probability),
            latent=np.zeros((len(rows), 0)),
            novelty=None if np.isnan(novelty).any() else np.array(novelty),
            **of,
        )


Sample = tuple[IntArray, FloatArray]


def _of_known(
    metric: Metric, sample: Sample, known: np.ndarray, weight: FloatArray | None
) -> FloatArray:
    return metric(*sample, weight=None if weight is None else weight[:, known])


def _of_each(
    metric: Metric,
    sample: Sample,
    known: np.ndarray,
    occurs: np.ndarray,
    weight: FloatArray | None,
) -> FloatArray:
    table = confusion(*sample, None if weight is None else weight[:, known])
    return np.asarray(metric.function(table)[..., occurs])


def _of_all(
    metric: Metric, sample: tuple[IntArray, FloatArray, FloatArray], weight: FloatArray | None
) -> FloatArray:
    return metric(*sample, weight=weight)


CLASSIFICATION = Classification()
