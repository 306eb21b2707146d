"""Losses: what a network is trained to do well, and what it should not tell apart.

To add one, write it in a file of its own and list it in a table below; the law
tests in ``tests/losses`` then test it by name.
"""

from dagnn.losses.mmd import MMD, mmd
from dagnn.losses.objective import LogSumObjective, Objective, Weighted
from dagnn.losses.ramps import RAMPS
from dagnn.losses.task import GaussianNLL, MomentsLoss, TaskLoss
from dagnn.losses.term import DomainTerm, NoAdaptation

TASKS: dict[str, type[TaskLoss]] = {
    "moments": MomentsLoss,
    "gaussian_nll": GaussianNLL,
}

TERMS: dict[str, type[DomainTerm]] = {
    "none": NoAdaptation,
    "mmd": MMD,
}

OBJECTIVES: dict[str, type[Objective]] = {
    "weighted_sum": Objective,
    "log_sum": LogSumObjective,
}

__all__ = [
    "MMD",
    "OBJECTIVES",
    "RAMPS",
    "TASKS",
    "TERMS",
    "DomainTerm",
    "GaussianNLL",
    "LogSumObjective",
    "MomentsLoss",
    "NoAdaptation",
    "Objective",
    "TaskLoss",
    "Weighted",
    "mmd",
]
