"""How trials are proposed and when they are given up: plain tables around Optuna's own.

Every sampler is seeded by the study's seed **and the number of the trial**, so
several workers never draw the same numbers, and a study that was interrupted
goes on as it would have.
"""

import itertools
import random
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
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
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from dagnn.errors import ConfigError, MissingPackageError
from dagnn.tune.space import Space, Values

Make = Callable[[int], BaseSampler]


class PerTrial(BaseSampler):
    """A sampler made anew for every trial, seeded by the number of the trial.

    What a sampler has to remember is in the study's storage anyway.

    Args:
        make: seed → sampler.
        seed: of the study.
    """

    def __init__(self, make: Make, seed: int) -> None:
        self._make = make
        self._seed = seed
        self._sampler = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Make the sampler of this trial."""
        mixed = np.random.SeedSequence([self._seed, trial.number]).generate_state(1)[0]
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
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
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


def tpe(space: Space, startup_trials: int = 10) -> Make:
    """Tree-structured Parzen estimator over all keys together, wary of running trials.

    Args:
        space: conditional keys are modelled in groups.
        startup_trials: drawn at random first.

    References:
        Bergstra et al. 2011, NeurIPS 24; Falkner et al. 2018, ICML (multivariate).
    """

    def make(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return TPESampler(
                n_startup_trials=startup_trials,
                multivariate=True,
                group=space.conditional,
                constant_liar=True,
                seed=seed,
            )

    return make


def uniform(space: Space) -> Make:
    """Draw every trial at random."""
    return lambda seed: RandomSampler(seed=seed)


def cmaes(space: Space, startup_trials: int = 1) -> Make:
    """Covariance matrix adaptation, for ranges; choices are drawn at random beside it.

    Args:
        space: at least two of its keys should be ranges.
        startup_trials: drawn at random first.

    References:
        Hansen & Ostermeier 2001, Evol. Comput. 9, 159.
    """
    if find_spec("cmaes") is None:
        raise MissingPackageError(
            "sampler cmaes needs a package that is not installed: pip install 'dagnn[cmaes]'"
        )
    return lambda seed: CmaEsSampler(n_startup_trials=startup_trials, seed=seed)


def grid(space: Space) -> Make:
    """Try every combination once; see :func:`grid_points`."""
    grid_points(space, 0)
    return lambda seed: RandomSampler(seed=seed)


def grid_points(space: Space, seed: int) -> list[Values]:
    """Return every combination of a space in a random order.

    Raises:
        ConfigError: a key is continuous or conditional.
    """
    if space.conditional:
        raise ConfigError("sampler grid: conditions (when) make no grid. Use tpe or random.")
    axes = []
    for one in space.searched:
        drawn: Any = one.distribution
        if isinstance(drawn, CategoricalDistribution):
            axes.append(list(drawn.choices))
        elif drawn.step is None or drawn.log:
            raise ConfigError(
                f"sampler grid: space.{one.key} is continuous. Give it a step, or choices."
            )
        else:
            count = int((drawn.high - drawn.low) / drawn.step + 1e-9) + 1
            cast = int if isinstance(drawn, IntDistribution) else float
            axes.append([cast(drawn.low + k * drawn.step) for k in range(count)])
    points = [dict(zip(space.keys, values, strict=True)) for values in itertools.product(*axes)]
    random.Random(seed).shuffle(points)
    return points


SAMPLERS: dict[str, Callable[..., Make]] = {
    "tpe": tpe,
    "random": uniform,
    "cmaes": cmaes,
    "grid": grid,
}


def never() -> BasePruner:
    """Train every trial to its end."""
    return NopPruner()


def median(startup_trials: int = 5, warmup_epochs: int = 5) -> BasePruner:
    """Give up a trial that is worse than the median of earlier ones at the same epoch."""
    return MedianPruner(n_startup_trials=startup_trials, n_warmup_steps=warmup_epochs)


def patient(
    patience: int = 5, startup_trials: int = 5, warmup_epochs: int = 5, min_delta: float = 0.0
) -> BasePruner:
    """Like ``median``, but only where a trial has not improved for ``patience`` epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return PatientPruner(median(startup_trials, warmup_epochs), patience, min_delta)


def hyperband(epochs: int, min_epochs: int = 1, reduction_factor: int = 3) -> BasePruner:
    """Race trials in brackets of different eagerness.

    References:
        Li et al. 2018, JMLR 18, 185.
    """
    return HyperbandPruner(min_epochs, epochs, reduction_factor)


def asha(min_epochs: int = 1, reduction_factor: int = 4) -> BasePruner:
    """Keep one in ``reduction_factor`` trials at each rung, without waiting for the others.

    References:
        Li et al. 2020, MLSys 2, 230.
    """
    return SuccessiveHalvingPruner(min_epochs, reduction_factor)


PRUNERS: dict[str, Callable[..., BasePruner]] = {
    "none": never,
    "median": median,
    "patient": patient,
    "hyperband": hyperband,
    "asha": asha,
}
