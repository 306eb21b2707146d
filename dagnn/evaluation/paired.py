"""The difference of two predictors on the same items, with its uncertainty.

Two intervals may overlap although one predictor beats the other on nearly
every resample: both meet the same easy and hard items. Resampling items once
for both takes that common part away.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dagnn.errors import MismatchError
from dagnn.evaluation.bootstrap import bootstrap_weights, percentile_interval
from dagnn.evaluation.metrics import METRICS
from dagnn.evaluation.prior import Prior
from dagnn.records import FloatArray, Predictions

Sample = tuple[FloatArray, FloatArray, FloatArray]
"""Truth, mean and standard deviation of one parameter, ``[n]`` each."""


@dataclass(frozen=True)
class Difference:
    """One metric of a first predictor minus that of a second.

    Attributes:
        suite: short suite name.
        role: role of the suite for the first predictor.
        split: which part of the suite, for the first predictor.
        parameter: parameter name.
        metric: a name in :data:`~dagnn.evaluation.metrics.METRICS`.
        value: first minus second.
        low: lower end of the 95% interval.
        high: upper end of the 95% interval.
        probability: two-sided probability that the sign is the other one: small
            where the difference is real, 1 where there is none.
        first: who predicted first.
        second: who predicted second.
        items: how many items both predicted and whose truth is known.
        independent: how many of them are independent: the number of their groups.
    """

    suite: str
    role: str
    split: str
    parameter: str
    metric: str
    value: float
    low: float
    high: float
    probability: float
    first: str
    second: str
    items: int
    independent: int


def sign_probability(differences: FloatArray) -> float:
    """Return twice the share of resamples on the rarer side of zero, at most 1.

    One resample is added to each side, so that ``R`` resamples never claim more
    certainty than ``2 / (R + 1)``. Resamples without a value are left out.

    References:
        Davison & Hinkley 1997, Bootstrap Methods, eq. 4.11.

    Example:
        >>> sign_probability(np.ones(999)), sign_probability(np.zeros(999))
        (0.002, 1.0)
    """
    known = differences[~np.isnan(differences)]
    rarer = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(known) + 1)))


def paired_bootstrap(
    first: Predictions,
    second: Predictions,
    prior: Mapping[str, Prior],
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
    metrics: Collection[str] = tuple(METRICS),
) -> list[Difference]:
    """Compare two predictors on the same items, metric by metric.

    Args:
        first: one predictor on one suite.
        second: another one on the same items, in any order.
        prior: prior of every parameter.
        n_bootstrap: resamples behind interval and probability.
        seed: seed of the resampling.
        groups: item id → group, for items that share one truth and are resampled together.
        metrics: which to compare.

    Returns:
        One difference per parameter and metric, in that order; none for a
        parameter without any known truth.

    Raises:
        MismatchError: suites, items, parameters or truths are not the same.
    """
    order = _matching(first, second)
    found: list[Difference] = []
    for column, name in enumerate(first.parameters):
        known = np.isfinite(first.truth[:, column])
        if not known.any():
            continue
        other = second.parameters.index(name)
        one = _sample(first, np.flatnonzero(known), column)
        two = _sample(second, order[known], other)
        ids = [item for item, is_known in zip(first.ids, known, strict=True) if is_known]
        names = [(groups or {}).get(item, item) for item in ids]
        weight = bootstrap_weights(len(ids), n_bootstrap, seed, names)
        for metric, value, interval, probability in _differences(
            one, two, prior[name], weight, metrics
        ):
            found.append(
                Difference(
                    suite=first.suite,
                    role=first.role,
                    split=first.split,
                    parameter=name,
                    metric=metric,
                    value=value,
                    low=interval[0],
                    high=interval[1],
                    probability=probability,
                    first=first.model,
                    second=second.model,
                    items=len(ids),
                    independent=len(set(names)),
                )
            )
    return found


def _sample(given: Predictions, rows: np.ndarray, column: int) -> Sample:
    return given.truth[rows, column], given.mean[rows, column], given.std[rows, column]


def _differences(
    one: Sample, two: Sample, prior: Prior, weight: FloatArray, metrics: Collection[str]
) -> Iterator[tuple[str, float, tuple[float, float], float]]:
    """Give metric, difference, its interval, and the probability of the other sign."""
    for name, metric in METRICS.items():
        if name not in metrics:
            continue
        value = float(metric(*one, prior) - metric(*two, prior))
        resampled = metric(*one, prior, weight) - metric(*two, prior, weight)
        yield name, value, percentile_interval(resampled), sign_probability(resampled)


def _matching(first: Predictions, second: Predictions) -> np.ndarray:
    """Return where in ``second`` each item of ``first`` stands, ``[n]``."""
    if first.suite != second.suite:
        raise MismatchError(
            f"Predictors are compared on the same items; {first.model} predicted {first.suite} "
            f"and {second.model} predicted {second.suite}."
        )
    if set(first.parameters) != set(second.parameters):
        raise MismatchError(
            f"{first.model} predicts {', '.join(first.parameters)} of {first.suite} and "
            f"{second.model} predicts {', '.join(second.parameters)}: compare equal parameters."
        )
    place = {item: row for row, item in enumerate(second.ids)}
    _check_items(first, second, place)
    order = np.array([place[item] for item in first.ids], dtype=np.int64)
    columns = [second.parameters.index(name) for name in first.parameters]
    truth = second.truth[order][:, columns]
    if not np.allclose(first.truth, truth, rtol=1e-6, atol=0, equal_nan=True):
        raise MismatchError(
            f"The truths of {first.suite} differ between {first.model} and {second.model}: they "
            "were read from different parameter tables or truths were restricted in one of them."
        )
    return order


def _check_items(first: Predictions, second: Predictions, place: Mapping[str, int]) -> None:
    for given, names in ((first, set(first.ids)), (second, set(place))):
        if len(names) != len(given.ids):
            raise MismatchError(
                f"{given.model} predicts an item of {given.suite} twice, so items cannot be "
                "matched by name."
            )
    here, there = set(first.ids) - set(place), set(place) - set(first.ids)
    if here or there:
        example = min(here or there)
        raise MismatchError(
            f"{first.model} and {second.model} predict different items of {first.suite} "
            f"({first.split}): {len(here)} only in the first, {len(there)} only in the second, "
            f"for example {example}. Compare runs with the same split seed and data."
        )
