"""The difference of two predictors of classes on the same items, with its uncertainty."""

from collections.abc import Collection, Mapping

import numpy as np

from dagnn.errors import MismatchError
from dagnn.evaluation.bootstrap import bootstrap_weights, percentile_interval
from dagnn.evaluation.class_metrics import CLASS_METRICS
from dagnn.evaluation.class_table import ALL_CLASSES
from dagnn.evaluation.paired import Difference, sign_probability
from dagnn.records import ClassPredictions


def paired_class_bootstrap(
    first: ClassPredictions,
    second: ClassPredictions,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
    metrics: Collection[str] = tuple(CLASS_METRICS),
) -> list[Difference]:
    """Compare two predictors of classes on the same items, metric by metric.

    Items without label and those of classes that the networks do not know are left
    out. Resampling items once for both takes easy and hard items out of the difference.

    Args:
        first: one predictor on one suite.
        second: another one on the same items, in the same order.
        n_bootstrap: resamples behind interval and probability.
        seed: seed of the resampling.
        groups: item id → group, for images of one object, which are resampled together.
        metrics: which to compare.

    Returns:
        One difference per metric of all classes; none where no item has a known class.

    Raises:
        MismatchError: suites, classes, items or truths are not the same.
    """
    _check(first, second)
    known = np.flatnonzero((first.truth >= 0) & (first.truth < len(first.classes)))
    if not len(known):
        return []
    names = [(groups or {}).get(first.ids[row], first.ids[row]) for row in known]
    weight = bootstrap_weights(len(known), n_bootstrap, seed, names)
    truth, one, two = first.truth[known], first.probability[known], second.probability[known]
    found: list[Difference] = []
    for name, metric in CLASS_METRICS.items():
        if name not in metrics:
            continue
        resampled = metric(truth, one, weight) - metric(truth, two, weight)
        low, high = percentile_interval(resampled)
        found.append(
            Difference(
                suite=first.suite,
                role=first.role,
                split=first.split,
                parameter=ALL_CLASSES,
                metric=name,
                value=float(metric(truth, one) - metric(truth, two)),
                low=low,
                high=high,
                probability=sign_probability(resampled),
                first=first.model,
                second=second.model,
                items=len(known),
                independent=len(set(names)),
            )
        )
    return found


def _check(first: ClassPredictions, second: ClassPredictions) -> None:
    for what in ("suite", "classes", "ids"):
        if getattr(first, what) != getattr(second, what):
            raise MismatchError(
                f"Predictors are compared on the same items; {first.model} and {second.model} "
                f"differ in their {what} on {first.suite} and {second.suite}."
            )
    if (first.truth != second.truth).any():
        raise MismatchError(
            f"The labels of {first.suite} differ between {first.model} and {second.model}."
        )
