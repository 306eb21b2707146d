"""The results table: every metric with its interval, for the model and for what it must beat."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from dagnn.records import FloatArray, IntArray, Result
from dagnn.tasks import METRICS, AnyPredictions, Unit, task_of
from dagnn.tasks.task import GALAXY_COUNT, PRIOR_CLASS, PRIOR_MEAN, RIDGE, RIDGE_ALIGNED

LEAST_KNOWN = 0.8
"""Share of resamples that must have a value for an interval to be given."""


def bootstrap_weights(
    items: int, resamples: int, seed: int, groups: Sequence[str] | None = None
) -> FloatArray:
    """Draw how often each item enters each resample.

    Items of one group (views of one galaxy, say) are not independent: they are
    drawn together, so an interval does not shrink by counting one truth twice.

    Args:
        items: number of items ``n``.
        resamples: number of resamples ``R``.
        seed: seed of the draw.
        groups: one group name per item; without it every item is its own group.

    Returns:
        Counts ``[R, n]``; without groups every row sums to ``n``.

    References:
        Efron 1979, Annals of Statistics 7, 1; Davison & Hinkley 1997, ch. 3.8 for groups.

    Example:
        >>> bootstrap_weights(4, 1000, seed=0, groups=["a", "a", "b", "c"]).shape
        (1000, 4)
    """
    group_of_item = np.arange(items)
    if groups is not None:
        _, group_of_item = np.unique(np.asarray(groups), return_inverse=True)
    number = int(group_of_item.max()) + 1
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(number, np.full(number, 1 / number), size=resamples)
    return counts[:, group_of_item].astype(np.float64)


def percentile_interval(values: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Return the central interval of resampled values ``[R]``.

    Resamples without a value (a single truth has no variance to explain) are
    left out; where these are more than a fifth of all, both ends are NaN: what
    is left of so few items is as alike as if nothing were uncertain.
    """
    known = values[~np.isnan(values)]
    if len(known) < LEAST_KNOWN * len(values) or not len(known):
        return float("nan"), float("nan")
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def item_groups(
    predictions: AnyPredictions, rows: IntArray, groups: Mapping[str, str] | None
) -> list[str]:
    """Return the group of some rows of predictions; an item without one is its own."""
    ids = [predictions.ids[row] for row in rows]
    return [(groups or {}).get(item, item) for item in ids]


GUESSES = (PRIOR_MEAN, PRIOR_CLASS)
SOURCE_ONLY, MODEL, ORACLE = "source-only", "model", "oracle"
PREDICTORS = MappingProxyType(
    {
        PRIOR_MEAN: "prior mean",
        PRIOR_CLASS: "class frequencies",
        GALAXY_COUNT: "number of galaxies",
        RIDGE: "ridge on summaries",
        RIDGE_ALIGNED: "ridge, aligned",
        SOURCE_ONLY: "source-only",
        MODEL: "model",
        ORACLE: "ORACLE (target labels)",
    }
)
"""How tables name who predicted, from the least informed to the best."""
DRAWN = (SOURCE_ONLY, MODEL)
"""Predictors that figures show; the others have rows in tables only."""
ROLES = ("source", "target", "other")
HELD_OUT = ("test", "all")
"""Splits that neither training nor selection has seen; ``all`` is an unseen suite."""


def evaluate(
    predictions: Sequence[AnyPredictions],
    reference: Any,
    n_bootstrap: int = 1000,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
) -> list[Result]:
    """Measure every metric on every set of predictions and on guessing without data.

    The guess (prior mean, class frequencies) is made here where it is not among the
    predictions. Items whose truth is unknown are predicted but not measured; a suite
    without any truth gives no rows.

    Args:
        predictions: one record per model, suite and split.
        reference: prior of every parameter, or the share of each class among the labelled
            training items ``[K]``.
        n_bootstrap: resamples behind each 95% interval.
        seed: seed of the resampling.
        groups: item id → group, for items that share one truth and are resampled together.

    Returns:
        Rows in the order of ``predictions``; before the first of each suite and split come
        those of the guess on the same items. The column ``parameter`` is the parameter,
        ``class`` for all classes together, or the name of a class.
    """
    results: list[Result] = []
    seen = {(p.suite, p.role, p.split) for p in predictions if p.model in GUESSES}
    for given in predictions:
        block, task = (given.suite, given.role, given.split), task_of(given)
        sets = [given] if block in seen else [task.guess(given, reference), given]
        seen.add(block)
        for each in sets:
            results.extend(_rows(each, task.units(each, reference), n_bootstrap, seed, groups))
    return results


def _rows(
    given: AnyPredictions,
    units: Iterable[Unit],
    n_bootstrap: int,
    seed: int,
    groups: Mapping[str, str] | None,
) -> Iterator[Result]:
    where = given.suite, given.role, given.split
    for unit in units:
        names = item_groups(given, unit.rows, groups)
        weight = bootstrap_weights(len(names), n_bootstrap, seed, names)
        for metric, function in unit.metrics.items():
            values = function(None).reshape(-1)
            resampled = function(weight).reshape(n_bootstrap, -1)
            for name, value, draws in zip(unit.names, values, resampled.T, strict=True):
                low, high = percentile_interval(draws)
                if METRICS[metric].biased:
                    moved = value - float(np.nanmean(draws))
                    low, high = max(0.0, min(low + moved, value)), max(high + moved, value)
                yield Result(*where, name, metric, float(value), low, high, given.model)


@dataclass(frozen=True)
class Block:
    """Results of all predictors on one parameter of one suite.

    Attributes:
        suite: short suite name.
        role: ``source``, ``target`` or ``other``.
        split: which part of the suite.
        parameter: parameter name.
        rows: predictor → metric → result, ordered as in :data:`PREDICTORS`.
    """

    suite: str
    role: str
    split: str
    parameter: str
    rows: dict[str, dict[str, Result]] = field(default_factory=dict)

    def title(self, with_split: bool = False) -> str:
        """Suite and role, as tables head the block."""
        return f"{self.suite} ({self.role})" + (f", {self.split}" if with_split else "")

    def has(self, metric: str) -> bool:
        """Whether any predictor was measured by a metric."""
        return any(metric in row for row in self.rows.values())


def _rank(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def blocks(results: Iterable[Result], splits: Collection[str] | None = HELD_OUT) -> list[Block]:
    """Group results for reading: source suites and least informed predictors first.

    Args:
        results: rows of the results table.
        splits: keep these splits only; all of them where None.
    """
    found: dict[tuple[str, str, str, str], Block] = {}
    predictors = list(PREDICTORS)
    for row in sorted(results, key=lambda row: _rank(predictors, row.model)):
        if splits is not None and row.split not in splits:
            continue
        key = (row.suite, row.role, row.split, row.parameter)
        block = found.setdefault(key, Block(*key))
        block.rows.setdefault(row.model, {})[row.metric] = row
    return sorted(found.values(), key=lambda block: (_rank(ROLES, block.role), block.suite))


SMALLEST_GAP = 0.02
"""In R², or in balanced accuracy: a smaller gap is noise, and a share of it says nothing."""


def gap_closed(block: Block, metric: str = "r2") -> float | None:
    """Return the share of the gap from source-only to the oracle that the model closes.

    ``(R²_model − R²_source-only) / (R²_oracle − R²_source-only)``: 1 if the model
    is as good as one that was trained on target labels, negative if adaptation
    did harm.

    Args:
        block: results of all predictors.
        metric: in which metric, of those where more is better.

    Returns:
        None on a source, whose labels all three have seen or could have; where one
        of the three was not run or measured; and where the oracle is not better
        than source-only by :data:`SMALLEST_GAP`.
    """
    if block.role == "source":
        return None
    rows = [block.rows.get(name, {}).get(metric) for name in (SOURCE_ONLY, MODEL, ORACLE)]
    without, model, oracle = (float("nan") if row is None else row.value for row in rows)
    if not oracle - without >= SMALLEST_GAP or math.isnan(model):
        return None
    return (model - without) / (oracle - without)
