"""Results of classification: every metric with its interval, for networks and for guessing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dagnn.evaluation.baselines import PRIOR_CLASS
from dagnn.evaluation.bootstrap import bootstrap_weights, percentile_interval
from dagnn.evaluation.class_metrics import CLASS_METRICS, ClassMetric
from dagnn.evaluation.confusion import BY_CLASS, confusion
from dagnn.evaluation.open_set import OPEN_METRICS
from dagnn.records import ClassPredictions, FloatArray, Result

ALL_CLASSES = "class"
"""What stands in the column ``parameter`` where all classes are measured together."""


def class_frequencies(labels: np.ndarray, classes: int) -> FloatArray:
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


def prior_class(predictions: ClassPredictions, frequencies: FloatArray) -> ClassPredictions:
    """Predict the class frequencies of the source for the same items.

    Args:
        predictions: the items and their truth.
        frequencies: of labelled training items, ``[K]``.

    Returns:
        Predictions of the model ``prior-class``, without latents; nothing is novel to it.
    """
    items = len(predictions.ids)
    return replace(
        predictions,
        probability=np.tile(frequencies, (items, 1)),
        latent=np.zeros((items, 0)),
        model=PRIOR_CLASS,
        novelty=None if predictions.novelty is None else np.zeros(items),
    )


def evaluate_classes(
    predictions: Sequence[ClassPredictions],
    frequencies: FloatArray,
    n_bootstrap: int = 1000,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
) -> list[Result]:
    """Measure every class metric on every set of predictions and on guessing.

    Guesses are made here where they are not among the predictions.

    Items without label are predicted but not measured. Items of a class that the
    network does not know count in the metrics of unknown classes only, which are
    measured where there are such items and their novelty is known.

    Args:
        predictions: one record per model, suite and split.
        frequencies: share of each class among the labelled training items, ``[K]``.
        n_bootstrap: resamples behind each 95% interval.
        seed: seed of the resampling.
        groups: item id → group, for items that are resampled together.

    Returns:
        Rows in the order of ``predictions``; before the first of each suite and
        split come those of ``prior-class`` on the same items. The column ``parameter``
        is ``class``, or the name of a class for the rows that each class has.
    """
    results: list[Result] = []
    seen = {(p.suite, p.role, p.split) for p in predictions if p.model == PRIOR_CLASS}
    for given in predictions:
        block = (given.suite, given.role, given.split)
        sets = [given] if block in seen else [prior_class(given, frequencies), given]
        seen.add(block)
        for each in sets:
            results.extend(_Measured(each, n_bootstrap, seed, groups or {}).rows())
    return results


class _Measured:
    """One set of predictions and its resamples."""

    def __init__(
        self,
        predictions: ClassPredictions,
        n_bootstrap: int,
        seed: int,
        groups: Mapping[str, str],
    ) -> None:
        self.given = predictions
        self.classes = len(predictions.classes)
        self.labelled = predictions.truth >= 0
        names = [groups.get(item, item) for item in np.array(predictions.ids)[self.labelled]]
        self.weight = (
            bootstrap_weights(len(names), n_bootstrap, seed, names) if names else np.zeros((0, 0))
        )

    def rows(self) -> Iterator[Result]:
        """Measure what can be measured."""
        truth = self.given.truth[self.labelled]
        probability = self.given.probability[self.labelled]
        known = truth < self.classes
        if known.any():
            sample = truth[known], probability[known]
            for name, metric in CLASS_METRICS.items():
                yield self._row(name, metric, sample, self.weight[:, known])
            yield from self._by_class(*sample, self.weight[:, known])
        if not known.all() and self.given.novelty is not None:
            everything = truth, probability, self.given.novelty[self.labelled]
            for name, metric in OPEN_METRICS.items():
                yield self._row(name, metric, everything, self.weight)

    def _row(
        self, name: str, metric: ClassMetric, sample: Sequence[np.ndarray], weight: FloatArray
    ) -> Result:
        value = float(metric(*sample))
        resampled = metric(*sample, weight)
        low, high = percentile_interval(resampled)
        if metric.biased:
            moved = value - float(np.nanmean(resampled))
            low, high = max(0.0, min(low + moved, value)), max(high + moved, value)
        return self._result(ALL_CLASSES, name, value, low, high)

    def _by_class(
        self, truth: np.ndarray, probability: FloatArray, weight: FloatArray
    ) -> Iterator[Result]:
        table = confusion(truth, probability)
        resampled = confusion(truth, probability, weight)
        for name, measure in BY_CLASS.items():
            values, draws = measure.function(table), measure.function(resampled)
            for k, title in enumerate(self.given.classes):
                if table[k].sum():
                    interval = percentile_interval(draws[:, k])
                    yield self._result(title, name, float(values[k]), *interval)

    def _result(self, parameter: str, metric: str, value: float, low: float, high: float) -> Result:
        given = self.given
        return Result(
            given.suite, given.role, given.split, parameter, metric, value, low, high, given.model
        )
