"""Ramps: how the weight of a domain term grows with training progress in [0, 1]."""

import math
from collections.abc import Callable

STEP_AT = 0.2


def constant(progress: float) -> float:
    """Return one at any time."""
    return 1.0


def linear(progress: float) -> float:
    """Return the progress itself."""
    return progress


def ganin(progress: float) -> float:
    """Return ``2 / (1 + exp(−10 p)) − 1``: from zero, near one after half of the training.

    References:
        Ganin et al. 2016, arXiv:1505.07818, section 5.
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


def warmup(progress: float) -> float:
    """Return a straight line to one over the first fifth of the training, then one."""
    return min(1.0, progress / STEP_AT)


def step(progress: float) -> float:
    """Return zero over the first fifth of the training, in which the task settles, then one."""
    return float(progress >= STEP_AT)


RAMPS: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "linear": linear,
    "ganin": ganin,
    "warmup": warmup,
    "step": step,
}
