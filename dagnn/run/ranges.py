"""What of a suite, or of new inputs, lies outside of what a network was trained on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape

from dagnn.config import Experiment
from dagnn.console import busy
from dagnn.losses import Window
from dagnn.records import Dataset, FloatArray
from dagnn.run.assemble import Assembly, reads_target, training_batch
from dagnn.run.prepared import Prepared, SuiteData, summaries_of, truth_of
from dagnn.trust.label_shift import (
    FEWEST,
    WHOLE,
    PriorInterval,
    alarm_limit,
    estimate_interval,
)
from dagnn.trust.novelty import Novelty


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


WARNINGS_SHOWN = 10
FEATURES_SHOWN = 2
FAR = 0.99
"""Share of further training items that are nearer than what is called far."""
FEWEST_HELD = 30
"""Validation items without which distances have no unit."""
# More inputs outside than this share are no stray ones, and fewer than this are no set.
_SYSTEMATIC, _FEWEST = 0.1, 10
# In standard deviations: suites differ by less than this from each other, units by more.
_SHIFTED = 1.0


def training_spread(training: FloatArray, held: FloatArray) -> dict[str, Any]:
    """Return how summaries scatter, as plain values for a checkpoint.

    Single summaries may all be in range where together they are like nothing in training:
    a spectrum of another shape. The distance that shows it is that of
    :class:`~dagnn.trust.novelty.Novelty`, of summaries in units of their scatter.

    Args:
        training: summaries of training items ``[n, F]``.
        held: those of validation items ``[m, F]``.

    Returns:
        Nothing where there are too few items to know.
    """
    if len(held) < FEWEST_HELD or not np.isfinite(training).all() or not np.isfinite(held).all():
        return {}
    scale = np.where(training.std(0) > 0, training.std(0), 1.0)
    near = Novelty.around(training / scale, held / scale, FAR)
    usual = Novelty.around(training / scale, held / scale)
    arrays = {"scale": scale, "mean": near.mean, "axes": near.axes, "variance": near.variance}
    return {name: values.tolist() for name, values in arrays.items()} | {
        "rest": near.rest,
        "unit": near.unit,
        "usual": usual.unit / near.unit,
        "middle": np.median(training, axis=0).tolist(),
    }


def distances(dataset: Dataset, spread: Mapping[str, Any]) -> FloatArray:
    """Return how far the summaries of every input are from those of training ``[n]``.

    Above 1 an input is farther than 99% of further training items; zero where that is not known.
    """
    if not spread:
        return np.zeros(len(dataset))
    arrays = {name: np.array(spread[name]) for name in ("mean", "axes", "variance")}
    near = Novelty(**arrays, rest=spread["rest"], unit=spread["unit"])
    return near.of(_summaries(dataset) / np.array(spread["scale"]))


def _summaries(dataset: Dataset) -> FloatArray:
    values = [each.double().cpu().numpy() for each in dataset.summaries().values()]
    return np.stack(values, 1)


def outside_range(
    dataset: Dataset, ranges: Mapping[str, Sequence[float]], spread: Mapping[str, Any]
) -> dict[str, str]:
    """Return what of each input lies outside of what the network was trained on.

    Args:
        dataset: the inputs.
        ranges: summary → smallest and largest in training.
        spread: see :func:`training_spread`; empty where it is not known.

    Returns:
        Item → what it is and what training had; only items that have any such thing.
    """
    outside: dict[int, list[str]] = {}
    for name, values in dataset.summaries().items():
        low, high = ranges[name]
        for item in torch.nonzero((values < low) | (values > high)).flatten().tolist():
            seen = f"{name} is {float(values[item]):.4g} (training: {low:.4g} to {high:.4g})"
            outside.setdefault(item, []).append(seen)
    far = distances(dataset, spread)
    for item in np.flatnonzero(far > 1).tolist():
        seen = f"all summaries together are at distance {far[item]:.3g} ({FAR:.0%} of training: 1)"
        outside.setdefault(item, []).append(seen)
    return {dataset.ids[item]: "; ".join(outside[item]) for item in sorted(outside)}


def unlike_as_a_set(
    dataset: Dataset, outside: Mapping[str, str], spread: Mapping[str, Any]
) -> list[str]:
    """Say what shows in many inputs together, and in a single one need not.

    Arguments are those of :func:`outside_range`, and what it returns.
    """
    items = len(dataset)
    if items < _FEWEST:
        return []
    found = []
    if len(outside) >= max(_FEWEST, _SYSTEMATIC * items):
        share = f"{len(outside)} of {items} inputs ({len(outside) / items:.0%})"
        found.append(f"{share} are outside the training range")
    if spread:
        medians = np.median(_summaries(dataset), axis=0)
        shift = np.abs((medians - np.array(spread["middle"])) / np.array(spread["scale"])).mean()
        if shift > _SHIFTED:
            found.append(
                f"the medians of the summaries of these {items} inputs are {shift:.2g} standard "
                "deviations of training items from theirs on average"
            )
        if np.median(distances(dataset, spread)) > spread["usual"]:
            found.append(
                f"the median distance of these {items} inputs from those of training is larger "
                "than that of 95% of training items"
            )
    if not found:
        return []
    return [
        f"{', and '.join(found)}: as a set they are not like those of training. Check units, "
        "wavenumbers, selection and redshift."
    ]


def warn_outside(outside: Mapping[str, str], together: Sequence[str], console: Console) -> None:
    """Say which items lie outside what the network was trained on, one line each.

    Args:
        outside: item → what of it.
        together: what shows in all of them, see :func:`unlike_as_a_set`.
        console: where to say it.
    """
    for item, seen in list(outside.items())[:WARNINGS_SHOWN]:
        first, rest = seen.split("; ")[:FEATURES_SHOWN], seen.count("; ") + 1 - FEATURES_SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        text = f"{item} is outside the training range: {'; '.join(first)}{more}"
        console.print(f"[yellow]Warning:[/] {escape(text)}", highlight=False, soft_wrap=True)
    if len(outside) > WARNINGS_SHOWN:
        console.print(f"... and {len(outside) - WARNINGS_SHOWN} more inputs.", highlight=False)
    for text in together:
        console.print(f"[bold yellow]Warning:[/] {escape(text)}", highlight=False, soft_wrap=True)
    if outside or together:
        console.print("Do not trust what is predicted for these inputs, nor how sure it is.")
