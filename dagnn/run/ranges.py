"""What of a suite, or of new inputs, lies outside of what a network was trained on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from dagnn.config import Experiment
from dagnn.console import busy, print_line, print_notes
from dagnn.errors import UsageError
from dagnn.parameters import Scaling
from dagnn.records import Dataset, FloatArray
from dagnn.run.folder import Note
from dagnn.run.prepared import Prepared, SuiteData, reads_target, summaries_of, truth_of
from dagnn.trust.label_shift import (
    PriorInterval,
    alarm_limit,
    estimate_interval,
)
from dagnn.trust.novelty import Novelty

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


def within(
    dataset: Dataset, scaling: Scaling, ranges: Mapping[str, tuple[float, float]], name: str
) -> Tensor:
    """Return the items whose truth lies in every range; all of them where there is none.

    Args:
        dataset: of one suite.
        scaling: names the parameters of its truth.
        ranges: parameter → lower and upper end, in physical units.
        name: of the suite, for messages.

    Raises:
        UsageError: a parameter is not inferred, or its truth is unknown.
    """
    inside = torch.ones(len(dataset), dtype=torch.bool)
    for parameter_name, (low, high) in ranges.items():
        if parameter_name not in scaling.names:
            raise UsageError(
                f"data.target_prior: {parameter_name} is not among the inferred parameters "
                f"({', '.join(scaling.names)})."
            )
        truth = dataset.y[:, scaling.names.index(parameter_name)].cpu()
        if truth.isnan().any():
            raise UsageError(
                f"data.target_prior needs the {parameter_name} of every simulation of {name}, and "
                "some are unknown. It is for stress tests with known truth."
            )
        inside &= (truth >= low) & (truth <= high)
        if not inside.any():
            raise UsageError(
                f"data.target_prior: no item of {name} has {parameter_name} between {low:g} and "
                f"{high:g}; there it lies between {truth.min():g} and {truth.max():g}."
            )
    return torch.nonzero(inside).flatten()


def guarded(experiment: Experiment, prepared: Prepared, console: Console) -> Prepared:
    """Estimate how much of the prior each target spans, and print where it is little.

    Args:
        experiment: whether this test is on, and whether anything is aligned at all.
        prepared: its data.
        console: where an alarm goes.

    Returns:
        The same data, with an interval per target and parameter.
    """
    wanted = experiment.loss.prior_guard and prepared.scaling.names
    if not (wanted and reads_target(experiment)):
        return prepared
    with busy(console, "Estimating the priors of the targets"):
        intervals = tuple(_intervals(prepared, prepared.of_role("target"), ("train", "valid")))
    alarms = (alarm_text(each) for each in intervals if each.alarm)
    print_notes(console, alarms, "[bold yellow]Alarm:[/]")
    return replace(prepared, intervals=intervals)


def alarm_text(interval: PriorInterval) -> str:
    """Return what an alarm means for a reader of the results."""
    return (
        f"{interval.suite} seems to span only {interval.width:.0%} of the prior of "
        f"{interval.parameter} ({interval.low:.2f} to {interval.high:.2f} of its range). What "
        "is aligned is aligned within that, an estimate without labels that may be wrong: do not "
        "trust the error bars of this suite."
    )


def alarms_of_adapted(experiment: Experiment, prepared: Prepared) -> list[Note]:
    """Return alarms of further suites with statistics of their own that span little of the prior.

    Args:
        experiment: whether the test of the prior's range is on.
        prepared: its data; suites that training has seen are left out.
    """
    if not (experiment.loss.prior_guard and prepared.scaling.names):
        return []
    texts = [
        f"{each.suite} seems to span only {each.width:.0%} of the prior of {each.parameter} "
        f"({each.low:.2f} to {each.high:.2f} of its range), and its statistics were estimated as "
        "if it spanned all of it: means are spread too far and error bars too small. Train with "
        "it as --target, which aligns within that range."
        for each in _intervals(prepared, prepared.of_role("other"), ("all",))
        if each.alarm
    ]
    return [Note(kind="ALARM", text=text) for text in texts]


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
    return {
        **{name: getattr(near, name).tolist() for name in ("mean", "axes", "variance")},
        "scale": scale.tolist(),
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
    """Return what shows in many inputs together, and need not in a single one.

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
    """Print which items lie outside what the network was trained on, one line each.

    Args:
        outside: item → what of it.
        together: what shows in all of them, see :func:`unlike_as_a_set`.
        console: where to print it.
    """
    for item, seen in list(outside.items())[:WARNINGS_SHOWN]:
        first, rest = seen.split("; ")[:FEATURES_SHOWN], seen.count("; ") + 1 - FEATURES_SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        text = f"{item} is outside the training range: {'; '.join(first)}{more}"
        print_line(console, text, "[yellow]Warning:[/]")
    if len(outside) > WARNINGS_SHOWN:
        print_line(console, f"... and {len(outside) - WARNINGS_SHOWN} more inputs.")
    print_notes(console, together, "[bold yellow]Warning:[/]")
    if outside or together:
        print_line(console, "Do not trust what is predicted for these inputs, nor how sure it is.")
