"""What separates two trials on the same labelled target items; for after a search only."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dagnn.evaluation.bootstrap import bootstrap_weights, percentile_interval
from dagnn.evaluation.class_metrics import balanced_accuracy
from dagnn.evaluation.class_table import ALL_CLASSES
from dagnn.evaluation.metrics import average
from dagnn.evaluation.paired import Difference, sign_probability
from dagnn.records import FloatArray

RESAMPLES = 1000
ALL_PARAMETERS = "all parameters"
Items = Mapping[str, Mapping[str, Any]]
"""Target → what :func:`dagnn.run.scores.target_items` kept of its test items."""


def paired_difference(first: Items, second: Items, names: tuple[str, str]) -> Difference | None:
    """Compare two trials by root mean square error, or by balanced accuracy of classes.

    Args:
        first: items of one trial.
        second: items of another.
        names: of the two.

    Returns:
        First minus second with its paired bootstrap interval, groups drawn whole, averaged
        over targets; None where items were not kept, or are not the same.
    """
    if not first or _groups(first) != _groups(second):
        return None
    regression = all("squared" in kept for kept in (*first.values(), *second.values()))
    values, draws = [], []
    for seed, (suite, groups) in enumerate(_groups(first).items()):
        weight = bootstrap_weights(len(groups), RESAMPLES, seed, groups)
        one, two = first[suite], second[suite]
        values.append(float(_measure(one) - _measure(two)))
        draws.append(_measure(one, weight) - _measure(two, weight))
    resampled = np.mean(draws, 0)
    low, high = percentile_interval(resampled)
    return Difference(
        suite=", ".join(first),
        role="target",
        split="test",
        parameter=ALL_PARAMETERS if regression else ALL_CLASSES,
        metric="rmse" if regression else "balanced_accuracy",
        value=float(np.mean(values)),
        low=low,
        high=high,
        probability=sign_probability(resampled),
        first=names[0],
        second=names[1],
        items=sum(len(groups) for groups in _groups(first).values()),
        independent=sum(len(set(groups)) for groups in _groups(first).values()),
    )


def _groups(items: Items) -> dict[str, list[str]]:
    return {suite: list(kept["groups"]) for suite, kept in items.items()}


def _measure(kept: Mapping[str, Any], weight: FloatArray | None = None) -> FloatArray:
    if "squared" in kept:
        return np.asarray(np.sqrt(average(np.asarray(kept["squared"], np.float64), weight)))
    truth, guess = (np.asarray(kept[name], np.int64) for name in ("truth", "guess"))
    certain = np.eye(int(max(truth.max(), guess.max())) + 1)[guess]
    return balanced_accuracy(truth, certain, weight)
