"""Learning-rate schedules: training progress in [0, 1) → fraction of the peak rate.

A schedule is a pure function of progress, so a resumed run needs no scheduler
state: the step number says everything.
"""

import math
from collections.abc import Callable

WARM_UP = 0.3
START = 1 / 25
END = 1e-4
CYCLES = 2.75


def constant(progress: float) -> float:
    """Return one at any time."""
    return 1.0


def cosine(progress: float) -> float:
    """Return half a cosine from one down to zero.

    References:
        Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5 without restarts.
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def one_cycle(progress: float) -> float:
    """Return a cosine rise from 1/25 to one over 30% of training, then a cosine fall to 1e-4.

    References:
        Smith & Topin 2018, arXiv:1708.07120.
    """
    if progress < WARM_UP:
        return 1 + (START - 1) * cosine(progress / WARM_UP)
    return END + (1 - END) * cosine((progress - WARM_UP) / (1 - WARM_UP))


def cyclic(progress: float) -> float:
    """Return triangles between 1e-4 and one: 2.75 cycles, as the public DA-GNN code trains.

    References:
        Smith 2017, arXiv:1506.01186 (policy "triangular").
    """
    phase = (CYCLES * progress) % 1
    return END + (1 - END) * (1 - abs(2 * phase - 1))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one_cycle": one_cycle,
    "cosine": cosine,
    "cyclic": cyclic,
    "constant": constant,
}
