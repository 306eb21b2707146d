"""How trials are proposed and when they are pruned: plain tables around Optuna's own.

Every sampler is seeded by the study's seed **and the number of the trial**, so several
workers never draw the same numbers, and an interrupted study goes on as it would have.
"""

import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PatientPruner,
    SuccessiveHalvingPruner,
)
from optuna.samplers import BaseSampler, CmaEsSampler, RandomSampler, TPESampler
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from dagnn.errors import MissingPackageError

Make = Callable[[int], BaseSampler]
FIRST = "first"
"""User attribute in which studies of older versions keep the number of a first attempt."""


def first_number(trial: FrozenTrial) -> int:
    """Return the number of a trial's first attempt, which also names its folder."""
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        first = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return int(trial.user_attrs.get(FIRST, trial.number if first is None else first))


class PerTrial(BaseSampler):
    """A sampler made anew for every trial, seeded by how many trials were drawn before it.

    A trial that is tried again was drawn already, and is not counted: so an interruption
    changes no later trial. What a sampler has to remember is in the study's storage.

    Args:
        make: seed → sampler.
        seed: of the study.
        trials: gives every trial of the study; None if none is ever tried again.
    """

    def __init__(
        self, make: Make, seed: int, trials: Callable[[], Sequence[FrozenTrial]] | None = None
    ) -> None:
        self._make = make
        self._seed = seed
        self._trials = trials
        self._sampler = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Make the sampler of this trial."""
        first = first_number(trial)
        earlier = self._trials()[:first] if self._trials else ()
        again = sum(first_number(other) != other.number for other in earlier)
        mixed = np.random.SeedSequence([self._seed, first - again]).generate_state(1)[0]
        self._sampler = self._make(int(mixed))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Pass on."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Pass on."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Pass on."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Pass on."""
        self._sampler.after_trial(study, trial, state, values)


def tpe(conditional: bool, startup_trials: int = 10) -> Make:
    """Tree-structured Parzen estimator over all keys together, aware of running trials.

    Args:
        conditional: whether to model keys in groups, as conditions need it.
        startup_trials: drawn at random first.

    References:
        Bergstra et al. 2011, NeurIPS 24; Falkner et al. 2018, ICML (multivariate).
    """

    def make(seed: int) -> BaseSampler:
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            return TPESampler(
                n_startup_trials=startup_trials,
                multivariate=True,
                group=conditional,
                constant_liar=True,
                seed=seed,
            )

    return make


def uniform() -> Make:
    """Draw every trial at random."""
    return lambda seed: RandomSampler(seed=seed)


def cmaes(startup_trials: int = 1) -> Make:
    """Covariance matrix adaptation over two ranges or more; choices are drawn at random beside it.

    Args:
        startup_trials: drawn at random first.

    References:
        Hansen & Ostermeier 2001, Evol. Comput. 9, 159.
    """
    if find_spec("cmaes") is None:
        raise MissingPackageError(
            "sampler cmaes needs a package that is not installed: pip install 'dagnn[cmaes]'"
        )
    return lambda seed: CmaEsSampler(n_startup_trials=startup_trials, seed=seed)


GRID = "grid"
SAMPLERS: dict[str, Callable[..., Make]] = {
    "tpe": tpe,
    "random": uniform,
    "cmaes": cmaes,
    # Its points are queued when the study is made, so nothing is left to draw.
    GRID: uniform,
}


def median(startup_trials: int = 5, warmup_epochs: int = 5) -> BasePruner:
    """Prune a trial that is worse than the median of earlier ones at the same epoch."""
    return MedianPruner(n_startup_trials=startup_trials, n_warmup_steps=warmup_epochs)


def patient(
    patience: int = 5, startup_trials: int = 5, warmup_epochs: int = 5, min_delta: float = 0.0
) -> BasePruner:
    """Like ``median``, but only where a trial has not improved for ``patience`` epochs."""
    with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
        return PatientPruner(median(startup_trials, warmup_epochs), patience, min_delta)


def hyperband(epochs: int, min_epochs: int = 1, reduction_factor: int = 3) -> BasePruner:
    """Race trials in brackets that prune more or less early (Li et al. 2018, JMLR 18, 185)."""
    return HyperbandPruner(min_epochs, epochs, reduction_factor)


def asha(min_epochs: int = 1, reduction_factor: int = 4) -> BasePruner:
    """Keep one in ``reduction_factor`` trials at each rung (Li et al. 2020, MLSys 2, 230)."""
    return SuccessiveHalvingPruner(min_epochs, reduction_factor)


PRUNERS: dict[str, Callable[..., BasePruner]] = {
    "none": NopPruner,
    "median": median,
    "patient": patient,
    "hyperband": hyperband,
    "asha": asha,
}
