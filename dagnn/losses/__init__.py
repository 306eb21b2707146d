"""Losses: of the task on the labelled source, and of the difference between domains.

To add one, write it in a file of its own and list it in a table below; the law
tests in ``tests/losses`` then test it by name.
"""

from dagnn.losses.adversarial import DANN
from dagnn.losses.classes import CrossEntropy
from dagnn.losses.clustering import AdaptiveClustering
from dagnn.losses.coral import CORAL
from dagnn.losses.entropy import EntropySeparation, TargetEntropy
from dagnn.losses.fisher import Fisher
from dagnn.losses.gram import DareGram
from dagnn.losses.joint import JointAlignment
from dagnn.losses.mmd import MMD
from dagnn.losses.moments import MomentAlignment
from dagnn.losses.neighbourhood import Neighbourhood
from dagnn.losses.objective import LogSumObjective, Objective, SelfTunedObjective, Weighted, Window
from dagnn.losses.per_member import PerMember
from dagnn.losses.sinkhorn import Sinkhorn
from dagnn.losses.task import GaussianNLL, MomentsLoss, TaskLoss
from dagnn.losses.term import RAMPS, DomainTerm, NoAdaptation, StatisticsOnly

TASKS: dict[str, type[TaskLoss]] = {
    "moments": MomentsLoss,
    "gaussian_nll": GaussianNLL,
    "cross_entropy": CrossEntropy,
}

TERMS: dict[str, type[DomainTerm]] = {
    "none": NoAdaptation,
    "statistics": StatisticsOnly,
    "moments": MomentAlignment,
    "coral": CORAL,
    "mmd": MMD,
    "joint": JointAlignment,
    "sinkhorn": Sinkhorn,
    "dare_gram": DareGram,
    "dann": DANN,
    "fisher": Fisher,
    "entropy": TargetEntropy,
    "entropy_separation": EntropySeparation,
    "clustering": AdaptiveClustering,
    "neighbourhood": Neighbourhood,
}

OBJECTIVES: dict[str, type[Objective]] = {
    "weighted_sum": Objective,
    "log_sum": LogSumObjective,
    "self_tuned": SelfTunedObjective,
}

__all__ = [
    "CORAL",
    "DANN",
    "MMD",
    "OBJECTIVES",
    "RAMPS",
    "TASKS",
    "TERMS",
    "AdaptiveClustering",
    "CrossEntropy",
    "DareGram",
    "DomainTerm",
    "EntropySeparation",
    "Fisher",
    "GaussianNLL",
    "JointAlignment",
    "LogSumObjective",
    "MomentAlignment",
    "MomentsLoss",
    "Neighbourhood",
    "NoAdaptation",
    "Objective",
    "PerMember",
    "SelfTunedObjective",
    "Sinkhorn",
    "StatisticsOnly",
    "TargetEntropy",
    "TaskLoss",
    "Weighted",
    "Window",
]
