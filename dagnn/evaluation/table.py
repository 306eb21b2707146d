"""The results table: every metric with its interval, for the model and for what it must beat."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from dagnn.evaluation.bootstrap import bootstrap_weights, item_groups, percentile_interval
from dagnn.records import Result
from dagnn.tasks import METRICS, AnyPredictions, Unit, task_of
from dagnn.tasks.task import GALAXY_COUNT, PRIOR_CLASS, PRIOR_MEAN, RIDGE, RIDGE_ALIGNED

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
