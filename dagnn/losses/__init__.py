"""Losses: what a network is trained to do well, and what it should not tell apart.

To add one, write it in a file of its own and list it in a table below; the law
tests in ``tests/losses`` then test it by name.
"""

from dagnn.losses.adversarial import DANN, domain_cross_entropy
from dagnn.losses.classes import CrossEntropy, balanced_weights, cross_entropy
from dagnn.losses.clustering import AdaptiveClustering, adaptive_clustering
from dagnn.losses.coral import CORAL, coral
from dagnn.losses.entropy import EntropySeparation, TargetEntropy, entropies
from dagnn.losses.fisher import Fisher, FisherDifference, scatters
from dagnn.losses.gram import DareGram, dare_gram
from dagnn.losses.joint import JointAlignment, joint_mmd
from dagnn.losses.mmd import MMD, mmd
from dagnn.losses.moments import MomentAlignment, moment_distance
from dagnn.losses.neighbourhood import Neighbourhood, neighbourhood_entropy
from dagnn.losses.objective import LogSumObjective, Objective, Weighted
from dagnn.losses.per_member import PerMember
from dagnn.losses.ramps import RAMPS
from dagnn.losses.self_tuned import SelfTunedObjective
from dagnn.losses.sinkhorn import Sinkhorn, sinkhorn_divergence
from dagnn.losses.statistics import StatisticsOnly
from dagnn.losses.task import GaussianNLL, MomentsLoss, TaskLoss
from dagnn.losses.term import DomainTerm, NoAdaptation

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
    "fisher_difference": FisherDifference,
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
    "FisherDifference",
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
    "adaptive_clustering",
    "balanced_weights",
    "coral",
    "cross_entropy",
    "dare_gram",
    "domain_cross_entropy",
    "entropies",
    "joint_mmd",
    "mmd",
    "moment_distance",
    "neighbourhood_entropy",
    "scatters",
    "sinkhorn_divergence",
]
