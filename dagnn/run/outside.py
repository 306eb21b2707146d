"""What of new inputs lies outside of what a network was trained on."""

from collections.abc import Mapping, Sequence

import torch
from rich.console import Console
from rich.markup import escape

from dagnn.errors import MismatchError
from dagnn.records import Dataset

WARNINGS_SHOWN = 10
# More inputs outside than this share are no stray ones.
_SYSTEMATIC, _FEWEST = 0.1, 10
FEATURES_SHOWN = 2


def outside_range(dataset: Dataset, ranges: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """Return what of each input lies outside of what the network was trained on.

    Returns:
        Item → what it is and what training had; only items that have any such thing.

    Raises:
        MismatchError: the inputs are summed up by other numbers than those of training.
    """
    outside: dict[int, list[str]] = {}
    for name, values in dataset.summaries().items():
        if name not in ranges:
            raise MismatchError(
                f"The run does not know the range of {name} in training, only those of "
                f"{', '.join(ranges)}. Give files like those of the run."
            )
        low, high = ranges[name]
        for item in torch.nonzero((values < low) | (values > high)).flatten().tolist():
            seen = f"{name} is {float(values[item]):.4g} (training: {low:.4g} to {high:.4g})"
            outside.setdefault(item, []).append(seen)
    return {dataset.ids[item]: "; ".join(outside[item]) for item in sorted(outside)}


def warn_outside(outside: Mapping[str, str], items: int, console: Console) -> None:
    """Say which of some items lie outside what the network was trained on, one line each."""
    for item, seen in list(outside.items())[:WARNINGS_SHOWN]:
        first, rest = seen.split("; ")[:FEATURES_SHOWN], seen.count("; ") + 1 - FEATURES_SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        text = f"{item} is outside the training range: {'; '.join(first)}{more}"
        console.print(f"[yellow]Warning:[/] {escape(text)}", highlight=False, soft_wrap=True)
    if len(outside) > WARNINGS_SHOWN:
        console.print(f"... and {len(outside) - WARNINGS_SHOWN} more inputs.", highlight=False)
    if len(outside) >= max(_FEWEST, _SYSTEMATIC * items):
        share = f"{len(outside)} of {items} inputs ({len(outside) / items:.0%})"
        console.print(
            f"[bold yellow]{share} are outside the training range:[/] as a set they are not like "
            "those of training. Check units, selection and redshift.",
            highlight=False,
            soft_wrap=True,
        )
    if outside:
        console.print("Do not trust what is predicted for these inputs, nor how sure it is.")
