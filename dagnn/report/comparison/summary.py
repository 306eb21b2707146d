"""Mean and standard deviation over seeds; a single seed is never dressed up as more."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dagnn.evaluation.measure import HELD_OUT, MODEL, blocks
from dagnn.evaluation.wording import number
from dagnn.records import Result
from dagnn.report.comparison.runs import Group
from dagnn.tasks import HEADLINES, Task, task_of_results

Place = tuple[str, str, str, str]
"""Suite, role, split and parameter of a number."""


@dataclass(frozen=True)
class Summary:
    """One metric over the seeds of a group.

    Attributes:
        metric: its name.
        mean: over seeds.
        sd: standard deviation over seeds (n − 1); NaN for one seed.
        n: number of seeds.
        low: lower end of the bootstrap interval over items; NaN for several seeds.
        high: upper end of it.
        values: the number of every seed.
    """

    metric: str
    mean: float
    sd: float
    n: int
    low: float
    high: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, rows: Sequence[Result]) -> "Summary":
        """Sum up the rows of one metric, one row per seed."""
        one = len(rows) == 1
        low, high = (rows[0].low, rows[0].high) if one else (math.nan, math.nan)
        return cls.over_seeds(rows[0].metric, [row.value for row in rows], low, high)

    @classmethod
    def over_seeds(
        cls, metric: str, values: Sequence[float], low: float = math.nan, high: float = math.nan
    ) -> "Summary":
        """Sum up one number per seed; ``low`` and ``high`` belong to a single one."""
        mean, sd = mean_and_sd(values)
        return cls(metric, mean, sd, len(values), low, high, tuple(values))

    def spread(self) -> str:
        """Write what stands behind the mean: ``± sd``, or the interval of a single seed."""
        if self.n > 1:
            return f"± {number(self.metric, self.sd, bare=True).lstrip('+')}"
        if math.isnan(self.low):
            return ""
        ends = (number(self.metric, end, bare=True) for end in (self.low, self.high))
        return f"[{', '.join(ends)}]"

    def __str__(self) -> str:
        """Write mean and spread, for example ``18.0% ± 0.6``."""
        return f"{number(self.metric, self.mean)} {self.spread()}".strip()


Measured = dict[Place, dict[str, dict[str, Summary]]]
"""Place → predictor → metric → summary."""


def mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation; NaN of fewer than two values."""
    found = np.asarray(values, np.float64)
    return float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else math.nan


def summarise(group: Group, splits: Sequence[str] | None = HELD_OUT) -> Measured:
    """Collect place → predictor → metric → summary over the seeds of a group."""
    rows: dict[Place, dict[str, dict[str, list[Result]]]] = {}
    for run in group.runs:
        for block in blocks(run.results, splits):
            place = (block.suite, block.role, block.split, block.parameter)
            for model, metrics in block.rows.items():
                found = rows.setdefault(place, {}).setdefault(model, {})
                for name, row in metrics.items():
                    found.setdefault(name, []).append(row)
    return {
        place: {
            model: {name: Summary.of(values) for name, values in metrics.items()}
            for model, metrics in models.items()
        }
        for place, models in rows.items()
    }


def task_of_groups(groups: Iterable[Group]) -> Task:
    """Return what to show of these groups: parameters or classes."""
    return task_of_results(row for group in groups for run in group.runs for row in run.results)


def places(groups: Iterable[Group]) -> list[Place]:
    """Return where anything was measured: targets first, as they are what is asked for."""
    found = dict.fromkeys(
        (row.suite, row.role, row.split, row.parameter)
        for group in groups
        for run in group.runs
        for row in run.results
        if row.split in HELD_OUT and row.model == MODEL and row.metric in HEADLINES
    )
    order = ("target", "other", "source")
    return sorted(found, key=lambda place: (order.index(place[1]), place[0]))
