"""Which of two predictors is better: decided by paired differences, and by nothing else.

Both predictors meet the same easy and hard items, so their own intervals may overlap where
one of them is better on nearly every resample, see :mod:`dagnn.evaluation.paired`.
"""

import math
from typing import Literal, Protocol

from dagnn.tasks import METRICS

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
