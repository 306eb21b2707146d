"""The results table: every metric with its interval, for the model and for what it must beat."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from dagnn.evaluation.baselines import (
    GALAXY_COUNT,
    PRIOR_CLASS,
    PRIOR_MEAN,
    RIDGE,
    RIDGE_ALIGNED,
    prior_mean,
)
from dagnn.evaluation.bootstrap import bootstrap_weights, percentile_interval
from dagnn.evaluation.metrics import METRICS
from dagnn.evaluation.prior import Prior
from dagnn.records import Predictions, Result

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


def _rows(
    predictions: Predictions,
    prior: Mapping[str, Prior],
    n_bootstrap: int,
    seed: int,
    groups: Mapping[str, str],
) -> Iterator[Result]:
    """Measure one set of predictions, parameter by parameter, where the truth is known."""
    for column, name in enumerate(predictions.parameters):
        known = np.isfinite(predictions.truth[:, column])
        if not known.any():
            continue
        items = [item for item, is_known in zip(predictions.ids, known, strict=True) if is_known]
        truth, mean, std = (
            values[known, column]
            for values in (predictions.truth, predictions.mean, predictions.std)
        )
        names = [groups.get(item, item) for item in items]
        weight = bootstrap_weights(len(items), n_bootstrap, seed, names)
        for metric_name, metric in METRICS.items():
            low, high = percentile_interval(metric(truth, mean, std, prior[name], weight))
            yield Result(
                suite=predictions.suite,
                role=predictions.role,
                split=predictions.split,
                parameter=name,
                metric=metric_name,
                value=float(metric(truth, mean, std, prior[name])),
                low=low,
                high=high,
                model=predictions.model,
            )


def evaluate(
    predictions: Sequence[Predictions],
    prior: Mapping[str, Prior],
    n_bootstrap: int = 1000,
    seed: int = 0,
    groups: Mapping[str, str] | None = None,
) -> list[Result]:
    """Measure every metric on every set of predictions and on the prior mean.

    The prior mean is predicted here where it is not among the predictions.

    Items whose truth is unknown (NaN) are predicted but not measured; a suite
    without any truth gives no rows.

    Args:
        predictions: one record per model, suite and split.
        prior: prior of every parameter.
        n_bootstrap: resamples behind each 95% interval.
        seed: seed of the resampling.
        groups: item id → group, for items that share one truth and are resampled together.

    Returns:
        Rows in the order of ``predictions``; before the first of each suite and
        split come the rows of the prior mean on the same items.
    """
    results: list[Result] = []
    seen = {(p.suite, p.role, p.split) for p in predictions if p.model == PRIOR_MEAN}
    for given in predictions:
        block = (given.suite, given.role, given.split)
        sets = [given] if block in seen else [prior_mean(given, prior), given]
        seen.add(block)
        for each in sets:
            results.extend(_rows(each, prior, n_bootstrap, seed, groups or {}))
    return results


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
