"""Guard alignment against targets that span less of the prior than the source."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape

from dagnn.config import Experiment
from dagnn.console import busy
from dagnn.losses.window import Window
from dagnn.records import FloatArray
from dagnn.run.assemble import Assembly, reads_target, training_batch
from dagnn.run.prepared import Prepared, SuiteData, summaries_of, truth_of
from dagnn.trust.label_shift import (
    FEWEST,
    WHOLE,
    PriorInterval,
    alarm_limit,
    estimate_interval,
)


def guarded(experiment: Experiment, prepared: Prepared, console: Console) -> Prepared:
    """Estimate how much of the prior each target spans, and say where it is little.

    Args:
        experiment: whether the guard is on, and whether anything is aligned at all.
        prepared: its data.
        console: where an alarm goes.

    Returns:
        The same data, with an interval per target and parameter.
    """
    asked = experiment.loss.prior_guard and prepared.scaling.names
    if not (asked and reads_target(experiment)):
        return prepared
    with busy(console, "Estimating the priors of the targets"):
        intervals = tuple(_intervals(prepared, prepared.of_role("target"), ("train", "valid")))
    for interval in intervals:
        if interval.alarm:
            console.print(f"[bold yellow]Alarm:[/] {escape(alarm_text(interval))}", soft_wrap=True)
    return replace(prepared, intervals=intervals)


def alarm_text(interval: PriorInterval) -> str:
    """Say what an alarm means for a reader of the results."""
    return (
        f"{interval.suite} seems to span only {interval.width:.0%} of the prior of "
        f"{interval.parameter} ({interval.low:.2f} to {interval.high:.2f} of its range). What "
        "is aligned is aligned within that, an estimate without labels that may be wrong: do not "
        "trust the error bars of this suite."
    )


def stored_intervals(facts: Mapping[str, Any]) -> tuple[PriorInterval, ...]:
    """Read the intervals of a run back from its ``environment.json``."""
    found = facts.get("prior_intervals", {})
    intervals = []
    for name, numbers in found.items():
        suite, parameter = name.split(", ", 1)
        intervals.append(PriorInterval(suite, parameter, *numbers))
    return tuple(intervals)


def alarms_of_adapted(experiment: Experiment, prepared: Prepared) -> list[str]:
    """Say which further suites are given statistics of their own and span little of the prior.

    Args:
        experiment: whether the guard is on.
        prepared: its data; nothing is said of suites that training has seen.
    """
    if not (experiment.loss.prior_guard and prepared.scaling.names):
        return []
    return [
        f"ALARM: {each.suite} seems to span only {each.width:.0%} of the prior of "
        f"{each.parameter} ({each.low:.2f} to {each.high:.2f} of its range), and its statistics "
        "were estimated as if it spanned all of it: means are spread too far and error bars too "
        "small. Train with it as --target, which aligns within that range."
        for each in _intervals(prepared, prepared.of_role("other"), ("all",))
        if each.alarm
    ]


def _intervals(
    prepared: Prepared, suites: Sequence[SuiteData], parts: tuple[str, ...]
) -> Iterable[PriorInterval]:
    """Estimate what some suites span, from the summaries of their items in some parts."""
    sources = prepared.of_role("source")
    raw = [summaries_of(suite, ("train",)) for suite in sources]
    # Sources lie apart by their physics, which is not scatter: each in units of its own.
    x = np.concatenate([(values - values.mean(0)) / _spread(values) for values in raw])
    y = np.concatenate([truth_of(suite, prepared) for suite in sources])
    centre = np.mean([values.mean(0) for values in raw], 0)
    spread = np.mean([_spread(values) for values in raw], 0)
    for suite in suites:
        seen = (summaries_of(suite, parts) - centre) / spread
        for column, name in enumerate(prepared.scaling.names):
            low, high = estimate_interval(x, y[:, column], seen)
            limit = round(alarm_limit(len(x)), 3)
            yield PriorInterval(suite.name, name, round(low, 3), round(high, 3), limit)


def _spread(values: FloatArray) -> FloatArray:
    spread = values.std(0)
    return np.asarray(np.where(spread > 0, spread, 1.0))


def align_within(made: Assembly, prepared: Prepared) -> None:
    """Refer the statistics and the domain terms of narrow targets to the source within.

    Args:
        made: network, whose input statistics are changed, and objective, which gets a
            window.
        prepared: data with the intervals of their targets.
    """
    targets = prepared.of_role("target")
    found = {suite.name: _effective(prepared, suite.name) for suite in targets}
    narrow = [suite for suite in targets if found[suite.name] != _whole(prepared)]
    if not narrow:
        return
    if made.statistics > 1:
        for suite in narrow:
            made.network.refer_inputs(suite.domain, *_inside(made, prepared, found[suite.name]))
    # Targets of different width have no window in common: those of the whole prior go first.
    wide = [suite for suite in targets if suite not in narrow]
    together = [found[suite.name] for suite in wide or narrow]
    low, high = ([edge(each[k][side] for each in together) for k in range(len(together[0]))]
                 for side, edge in enumerate((min, max)))  # fmt: skip
    without = [suite.domain for suite in narrow] if wide else []
    made.objective.look_through(Window(low, high, without).to(made.device))


def _whole(prepared: Prepared) -> list[tuple[float, float]]:
    return [WHOLE] * len(prepared.scaling.names)


def _effective(prepared: Prepared, name: str) -> list[tuple[float, float]]:
    """Return the interval of every parameter; the whole prior where there is no alarm."""
    alarms = {
        i.parameter: (i.low, i.high) for i in prepared.intervals if i.suite == name and i.alarm
    }
    return [alarms.get(parameter, WHOLE) for parameter in prepared.scaling.names]


def _inside(
    made: Assembly, prepared: Prepared, intervals: Sequence[tuple[float, float]]
) -> list[Any]:
    """Gather training items of all sources inside the intervals, the nearest if they are few."""
    sources = prepared.of_role("source")
    low, high = (np.array([ends[side] for ends in intervals]) for side in (0, 1))
    outside = [
        np.maximum(np.maximum(low - y, y - high), 0).max(1)
        for y in (truth_of(source, prepared) for source in sources)
    ]
    every = np.sort(np.concatenate(outside))
    limit = max(0.0, every[min(FEWEST, len(every)) - 1])
    batches = []
    for source, distance in zip(sources, outside, strict=True):
        rows = source.parts()["train"][torch.as_tensor(distance <= limit)]
        if len(rows):
            batches.append(training_batch(source, rows, made.device))
    return batches
