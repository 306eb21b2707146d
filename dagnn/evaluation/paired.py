"""The difference of two predictors on the same items, with its uncertainty.

Two intervals may overlap although one predictor beats the other on nearly
every resample: both meet the same easy and hard items. Resampling items once
for both takes that common part away.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from dagnn.errors import MismatchError
from dagnn.evaluation.measure import bootstrap_weights, item_groups, percentile_interval
from dagnn.records import FloatArray
from dagnn.tasks import METRICS, AnyPredictions, task_of


@dataclass(frozen=True)
class Difference:
    """One metric of a first predictor minus that of a second.

    Attributes:
        suite: short suite name.
        role: role of the suite for the first predictor.
        split: which part of the suite, for the first predictor.
        parameter: parameter name.
        metric: a name in :data:`dagnn.tasks.METRICS`.
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
    first: AnyPredictions,
    second: AnyPredictions,
    reference: Any = None,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
    metrics: Collection[str] | None = None,
) -> list[Difference]:
    """Compare two predictors on the same items, metric by metric.

    Items without a known truth, and those of classes that the networks do not know, are left
    out.

    Args:
        first: one predictor on one suite.
        second: another one on the same items, in any order.
        reference: prior of every parameter; the standard priors where None.
        n_bootstrap: resamples behind interval and probability.
        seed: seed of the resampling.
        groups: item id → group, for items that share one truth and are resampled together.
        metrics: which to compare; all where None.

    Returns:
        One difference per parameter (or for all classes together) and metric, in that order;
        none for a parameter without any known truth.

    Raises:
        MismatchError: suites, items, parameters, classes or truths are not the same.
    """
    _check(first, second)
    task, place = task_of(first), {item: row for row, item in enumerate(second.ids)}
    names = task.names(first)
    one = task.restrict(first, names)
    two = task.restrict(second.take([place[item] for item in first.ids]), names)
    units = (task.units(each, reference) for each in (one, two))
    found: list[Difference] = []
    for left, right in zip(*units, strict=True):
        members = item_groups(one, left.rows, groups)
        weight = bootstrap_weights(len(members), n_bootstrap, seed, members)
        for metric in left.metrics if left.paired else ():
            if metrics is not None and metric not in metrics:
                continue
            pair = left.metrics[metric], right.metrics[metric]
            value = float(pair[0](None) - pair[1](None))
            resampled = pair[0](weight) - pair[1](weight)
            low, high = percentile_interval(resampled)
            found.append(
                Difference(
                    suite=first.suite,
                    role=first.role,
                    split=first.split,
                    parameter=left.names[0],
                    metric=metric,
                    value=value,
                    low=low,
                    high=high,
                    probability=sign_probability(resampled),
                    first=first.model,
                    second=second.model,
                    items=len(members),
                    independent=len(set(members)),
                )
            )
    return found


def common_items(first: AnyPredictions, second: AnyPredictions) -> list[str]:
    """Return the items that both predicted and whose truths agree, in the order of the first."""
    task = task_of(first)
    names = task.comparable(first, second) if task is task_of(second) else ()
    if not names:
        return []
    place = {item: row for row, item in enumerate(second.ids)}
    rows = [row for row, item in enumerate(first.ids) if item in place]
    ours = task.truths(first, names)[rows]
    theirs = task.truths(second, names)[[place[first.ids[row]] for row in rows]]
    agree = np.isclose(ours, theirs, rtol=1e-6, atol=1e-8, equal_nan=True)
    return [first.ids[row] for row, same in zip(rows, agree, strict=True) if same.all()]


def compare(
    first: AnyPredictions,
    second: AnyPredictions,
    items: Sequence[str],
    seed: int,
    metrics: Collection[str],
) -> list[Difference]:
    """Compare two predictors on some common items by some metrics, with standard priors."""
    task = task_of(first)
    names = task.comparable(first, second)
    one, two = (task.restrict(_take(each, items), names) for each in (first, second))
    groups = dict(zip(one.ids, one.groups or one.ids, strict=True))
    return paired_bootstrap(one, two, seed=seed, groups=groups, metrics=metrics)


def _take(given: AnyPredictions, items: Sequence[str]) -> AnyPredictions:
    place = {item: row for row, item in enumerate(given.ids)}
    return given.take([place[item] for item in items])


def _check(first: AnyPredictions, second: AnyPredictions) -> None:
    """Refuse predictors that cannot be compared item by item."""
    if first.suite != second.suite:
        raise MismatchError(
            f"Predictors are compared on the same items; {first.model} predicted {first.suite} "
            f"and {second.model} predicted {second.suite}."
        )
    task = task_of(first)
    ours, theirs = task.names(first), task_of(second).names(second)
    if set(task.comparable(first, second)) != {*ours, *theirs}:
        raise MismatchError(
            f"{first.model} predicts {', '.join(ours)} of {first.suite} and {second.model} "
            f"predicts {', '.join(theirs)}: compare equal {task.names_field}."
        )
    for given in (first, second):
        if len({*given.ids}) != len(given.ids):
            raise MismatchError(
                f"{given.model} predicts an item of {given.suite} twice, so items cannot be "
                "matched by name."
            )
    here, there = {*first.ids} - {*second.ids}, {*second.ids} - {*first.ids}
    if here or there:
        raise MismatchError(
            f"{first.model} and {second.model} predict different items of {first.suite} "
            f"({first.split}): {len(here)} only in the first, {len(there)} only in the second, "
            f"for example {min(here or there)}. Compare runs with the same split seed and data."
        )
    if len(common_items(first, second)) < len(first.ids):
        raise MismatchError(
            f"The truths of {first.suite} differ between {first.model} and {second.model}: they "
            "were read from different parameter tables or truths were restricted in one of them."
        )


FEWEST_TO_DECIDE = 20
"""With fewer independent items in common no interval is worth a verdict."""
IN_UNITS = ("crps", "rmse", "bias")
"""Metrics in the unit of the parameter; of the order of a hundredth for most."""
Verdict = Literal["better", "worse", "not distinguishable", "too few", "unknown"]


class Compared(Protocol):
    """A difference of one metric, first minus second, with its 95% interval."""

    @property
    def metric(self) -> str:
        """Name of the metric."""
        ...

    @property
    def value(self) -> float:
        """The difference."""
        ...

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        ...

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        ...

    @property
    def independent(self) -> int:
        """How many independent items both predicted."""
        ...


def direction(metric: str) -> int:
    """Return +1 where more is better, −1 where less is, 0 where neither is."""
    return {"high": 1, "low": -1}.get(str(METRICS[metric].better), 0)


def verdict(found: Compared) -> Verdict:
    """Decide which predictor is better by the interval of their difference.

    Returns:
        ``better`` or ``worse`` (of the first) where the interval leaves zero out,
        ``too few`` with fewer than :data:`FEWEST_TO_DECIDE` independent items, and
        ``unknown`` without an interval, or for a metric of which neither more nor less is
        better.
    """
    sign = direction(found.metric)
    if found.independent < FEWEST_TO_DECIDE:
        return "too few"
    if not sign or math.isnan(found.low) or math.isnan(found.high):
        return "unknown"
    if found.low <= 0 <= found.high:
        return "not distinguishable"
    return "better" if sign * found.low > 0 else "worse"


def difference(metric: str, value: float, bare: bool = False) -> str:
    """Write a difference: with its sign, and finer than the metric, as it is smaller.

    Example:
        >>> difference("relative_error", -0.1904), difference("r2", 0.0123), difference("crps", 0)
        ('−19.0 points', '+0.012', '+0.0000')
    """
    if math.isnan(value):
        return "–"
    if METRICS[metric].format.endswith("%"):
        return f"{100 * value:+z.1f}".replace("-", "−") + ("" if bare else " points")
    decimals = 4 if metric in IN_UNITS else 3
    return f"{value:+z.{decimals}f}".replace("-", "−")


def difference_with_interval(found: Compared) -> str:
    """Write a difference with its 95% interval, for example ``−2.7 points [−5.2, −0.2]``."""
    ends = (difference(found.metric, end, bare=True) for end in (found.low, found.high))
    return f"{difference(found.metric, found.value)} [{', '.join(ends)}]"


def verdict_sentence(first: str, second: str, found: Compared, basis: str) -> str:
    """Say which predictor is better, with the difference that decides it.

    Args:
        first: who is judged.
        second: who it is compared with.
        found: metric of the first minus that of the second.
        basis: what it was measured on, for example ``on the same 45 items``.
    """
    decided = verdict(found)
    numbers = f"{difference_with_interval(found)} {basis}"
    if decided == "too few":
        items = "1 independent item" if found.independent == 1 else (
            f"{found.independent} independent items")  # fmt: skip
        return (
            f"Whether {first} is better than {second} is not decided: {items} in common, and "
            f"fewer than {FEWEST_TO_DECIDE} decide nothing."
        )
    if decided == "unknown":
        return (
            f"Whether {first} is better than {second} is not known: their difference "
            f"({difference(found.metric, found.value)} {basis}) has no interval."
        )
    if decided == "not distinguishable":
        return f"{_start(first)} is not distinguishable from {second}: {numbers}."
    return f"{_start(first)} is {decided} than {second}: {numbers}."


def no_pair(first: str, second: str) -> str:
    """Say that nothing can be said, because no items of both are known one by one."""
    return (
        f"No verdict on {first} against {second}: predictions of both for the same items are not "
        "stored, and intervals of each alone decide nothing."
    )


def same_items(items: int, independent: int) -> str:
    """Write what a difference was measured on.

    Example:
        >>> same_items(45, 45), same_items(90, 45)
        ('on the same 45 items', 'on the same 90 items (45 independent)')
    """
    return f"on the same {items} items" + (
        "" if independent == items else f" ({independent} independent)"
    )


def _start(name: str) -> str:
    return name[0].upper() + name[1:] if name.startswith(("the ", "trial ")) else name
