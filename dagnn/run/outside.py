"""What of new inputs lies outside of what a network was trained on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape

from dagnn.records import Dataset, FloatArray
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
