"""A study file: read, validated as a whole, and compared with others by a fingerprint."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from pydantic import BaseModel, ConfigDict, Field, field_validator

from dagnn import run
from dagnn.config import (
    Component,
    Experiment,
    Override,
    build,
    experiment_from,
    find_yaml,
    lookup,
    validated,
)
from dagnn.errors import ConfigError, DagnnError, MissingPackageError, UsageError, nearest
from dagnn.run.assemble import check
from dagnn.run.selection import SCORES
from dagnn.training import TARGET_ORACLE
from dagnn.tune.outcomes import no_experimental_warnings
from dagnn.tune.space import Space, Values
from dagnn.yaml_files import RECORD, read_yaml, to_yaml

NOT_IN_FINGERPRINT: Any = {
    "name": True,
    "data": {"path", "workers"},
    "training": {"device"},
    "evaluation": True,
    "calibration": True,
}
"""Keys of an experiment that may differ between workers of one study."""
Make = Callable[..., BaseSampler]
"""Makes a sampler of its ``seed``."""


def tpe(conditional: bool, startup_trials: int = 10) -> Make:
    """Tree-structured Parzen estimator over all keys together, aware of running trials.

    Args:
        conditional: whether to model keys in groups, as conditions need it.
        startup_trials: drawn at random first.

    References:
        Bergstra et al. 2011, NeurIPS 24; Falkner et al. 2018, ICML (multivariate).
    """
    return partial(
        optuna.samplers.TPESampler,
        n_startup_trials=startup_trials,
        multivariate=True,
        group=conditional,
        constant_liar=True,
    )


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
    return partial(optuna.samplers.CmaEsSampler, n_startup_trials=startup_trials)


GRID = "grid"
SAMPLERS: dict[str, Callable[..., Make]] = {
    "tpe": tpe,
    "random": lambda: optuna.samplers.RandomSampler,
    "cmaes": cmaes,
    # Its points are queued when the study is made, so nothing is left to draw.
    GRID: lambda: optuna.samplers.RandomSampler,
}


def median(startup_trials: int = 5, warmup_epochs: int = 5) -> BasePruner:
    """Prune a trial that is worse than the median of earlier ones at the same epoch."""
    return optuna.pruners.MedianPruner(startup_trials, warmup_epochs)


def patient(
    patience: int = 5, startup_trials: int = 5, warmup_epochs: int = 5, min_delta: float = 0.0
) -> BasePruner:
    """Like ``median``, but only where a trial has not improved for ``patience`` epochs."""
    with no_experimental_warnings():
        wrapped = median(startup_trials, warmup_epochs)
        return optuna.pruners.PatientPruner(wrapped, patience, min_delta)


def hyperband(epochs: int, min_epochs: int = 1, reduction_factor: int = 3) -> BasePruner:
    """Race trials in brackets that prune more or less early (Li et al. 2018, JMLR 18, 185)."""
    return optuna.pruners.HyperbandPruner(min_epochs, epochs, reduction_factor)


def asha(min_epochs: int = 1, reduction_factor: int = 4) -> BasePruner:
    """Keep one in ``reduction_factor`` trials at each rung (Li et al. 2020, MLSys 2, 230)."""
    return optuna.pruners.SuccessiveHalvingPruner(min_epochs, reduction_factor)


PRUNERS: dict[str, Callable[..., BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "median": median,
    "patient": patient,
    "hyperband": hyperband,
    "asha": asha,
}


class _Strict(BaseModel):
    model_config = ConfigDict(**RECORD, extra="forbid")


class Start(_Strict):
    """The experiment that trials are variations of.

    Attributes:
        config: YAML file, or a shipped name.
        source: labelled suites, instead of the configuration's.
        target: unlabelled suites, instead of the configuration's.
        set: dotted key → value.
    """

    config: str = "base"
    source: list[str] | None = None
    target: list[str] | None = None
    set: dict[str, Any] = Field(default_factory=dict)


class Budget(_Strict):
    """When a study is done; the first limit counts.

    Attributes:
        trials: finished, pruned or failed trials of all workers together.
        hours: of one worker; the trial that runs then is finished.
    """

    trials: int = Field(default=30, ge=1)
    hours: float | None = Field(default=None, gt=0)


class StudyFile(_Strict):
    """What a study file may hold.

    Attributes:
        name: of the study in its storage; the file's name if left out.
        experiment: what is varied.
        space: dotted key → range or choices.
        objectives: label-free scores to minimise, see :data:`~dagnn.run.selection.SCORES`.
        sampler: how trials are proposed.
        pruner: when a trial is stopped early.
        prune_on: validation number of every epoch that the pruner watches.
        budget: when the study is done.
        reverse_validation: whether to record ``reverse_error``; doubles the time.
        start_from_default: whether the unchanged experiment is the first trial.
        seed: of the sampler.
    """

    name: str = ""
    experiment: Start = Start()
    space: dict[str, Any] = Field(min_length=1)
    objectives: dict[str, Literal["minimize"]] = Field(
        default={"source_error": "minimize"}, min_length=1
    )
    sampler: Component = Component(name="tpe")
    pruner: Component = Component(name="none")
    prune_on: Literal["source_error", "source_loss"] = "source_error"
    budget: Budget = Budget()
    reverse_validation: bool = False
    start_from_default: bool = True
    seed: int = Field(default=0, ge=0)

    @field_validator("objectives", mode="before")
    @classmethod
    def _by_score(cls, value: Any) -> Any:
        names = [value] if isinstance(value, str) else value
        if isinstance(names, Sequence):
            names = dict.fromkeys(names, "minimize")
        for name in names if isinstance(names, Mapping) else ():
            if name not in SCORES:
                raise ValueError(
                    f"there is no label-free score {name!r}. {nearest(str(name), SCORES)}"
                )
        return names

    @field_validator("sampler", "pruner", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


@dataclass(frozen=True)
class Study:
    """A validated study.

    Attributes:
        name: in the storage.
        file: what the file holds.
        experiment: what trials are variations of.
        space: what is varied.
        where: the file, for messages.
    """

    name: str
    file: StudyFile
    experiment: Experiment
    space: Space
    where: str

    @classmethod
    def of(cls, path: Path, file: StudyFile, experiment: Experiment) -> "Study":
        """Make a study of what its file holds and the experiment that this resolves to."""
        space = Space.of(file.space, str(path))
        return cls(file.name or path.stem, file, experiment, space, str(path))

    @property
    def objectives(self) -> tuple[str, ...]:
        """Scores that are minimised."""
        return tuple(self.file.objectives)

    @property
    def scores(self) -> tuple[str, ...]:
        """Scores that every finished trial records."""
        reverse = self.file.reverse_validation or "reverse_error" in self.objectives
        left_out = set() if reverse else {"reverse_error"}
        if not self.experiment.target:
            left_out = {"domain_auc", "reverse_error"}
        return tuple(score for score in SCORES if score not in left_out)

    def variation(self, values: Values) -> Experiment:
        """Return the experiment with drawn values put in.

        Raises:
            ConfigError: they make no valid experiment.
        """
        tree = self.space.put(values, self.experiment.model_dump(mode="json"))
        return experiment_from(tree, where=self.where)

    def default(self) -> Values | None:
        """Return the drawn values of the unchanged experiment, if they are in the space."""
        drawn = self.space.drawn_from(self.experiment.model_dump(mode="json"))
        if drawn is None or self.variation(drawn) != self.experiment:
            return None
        return drawn

    def queued(self) -> list[Values]:
        """Return the trials that are queued when the study is made."""
        if self.file.sampler.name == GRID:
            return self.space.grid(self.file.seed)
        default = self.default() if self.file.start_from_default else None
        return [default] if default else []

    def trials(self) -> int:
        """Return after how many trials the study is done."""
        trials = self.file.budget.trials
        return min(trials, len(self.queued())) if self.file.sampler.name == GRID else trials

    def sampler(self) -> Make:
        """Return what makes a sampler of its seed."""
        conditional = self.space.conditional
        make: Make = _build(SAMPLERS, self.file.sampler, "sampler", conditional=conditional)
        return make

    def pruner(self) -> BasePruner:
        """Make the pruner, which may need to know how long the longest trial trains."""
        edges = (edge for key, edge, _ in self.space.edges() if key == "training.epochs")
        epochs = max([self.experiment.training.epochs, *(int(edge or 0) for edge in edges)])
        pruner: BasePruner = _build(PRUNERS, self.file.pruner, "pruner", epochs=epochs)
        return pruner

    def describe(self) -> dict[str, Any]:
        """Return what must be equal in two workers of one study, as plain values."""
        return {
            "experiment": self.experiment.model_dump(mode="json", exclude=NOT_IN_FINGERPRINT),
            "space": self.space.describe(),
            "objectives": dict(self.file.objectives),
            "reverse_validation": "reverse_error" in self.scores,
        }

    def fingerprint(self) -> str:
        """Return a hash of what must be equal in two workers of one study."""
        text = json.dumps(self.describe(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def to_yaml(self) -> str:
        """Write the study with its experiment resolved, so that it needs no other file."""
        tree = self.file.model_dump(mode="json", exclude_none=True)
        tree["name"] = self.name
        tree["experiment"] = self.experiment.model_dump(mode="json")
        return to_yaml(tree)

    def require_edges(self, accept: Callable[[Experiment], object]) -> None:
        """Put low, high and every choice of each key into the experiment and test that it is valid.

        Args:
            accept: called with every such experiment; raises where it is not valid.

        Raises:
            ConfigError: one is not valid; the message names key and value.
        """
        for key, edge, values in self.space.edges():
            try:
                accept(self.variation(values))
            except DagnnError as error:
                shown = f"{edge:g}" if isinstance(edge, float) else repr(edge)
                raise ConfigError(
                    f"{self.where}: space.{key}: the value {shown} is refused. {error}"
                ) from error


def _build(
    table: Mapping[str, Callable[..., Any]], part: Component, what: str, **given: Any
) -> Any:
    """Make a sampler or pruner, with those of the given arguments that it takes."""
    takes = inspect.signature(lookup(table, part.name, what)).parameters
    return build(table, part, what, **{key: given[key] for key in given if key in takes})


def read_study(
    source: str | Path,
    *,
    data: Path | None = None,
    trials: int | None = None,
    hours: float | None = None,
    overrides: Sequence[Override] = (),
) -> Study:
    """Read a study and refuse what is not valid, before any data are read.

    Args:
        source: a YAML file, or the name of a shipped one.
        data: data folder, instead of the experiment's.
        trials: budget, instead of the file's.
        hours: budget, instead of the file's.
        overrides: ``key=value`` for the experiment, as ``dagnn train --set`` takes.

    Raises:
        ConfigError: an unknown key, a range that the configuration refuses, options that
            do not fit together. The message names file and key.
    """
    path, _ = find_yaml(source, "tuning", "study")
    file = validated(StudyFile, read_yaml(path), f"The study {path}")
    limits = {k: v for k, v in {"trials": trials, "hours": hours}.items() if v is not None}
    budget = validated(Budget, {**file.budget.model_dump(), **limits}, "The budget")
    file = file.model_copy(update={"budget": budget})
    start, beside = file.experiment, path.parent / file.experiment.config
    experiment = run.load(
        beside if beside.is_file() else start.config,
        [*start.set.items(), *overrides],
        source=start.source,
        target=start.target,
        data=data,
    )
    study = Study.of(path, file, experiment)
    _require_valid(study)
    return study


def reopen(path: Path) -> Study:
    """Read the study that a study folder keeps, with its experiment resolved.

    Raises:
        ConfigError: the file was changed into something that does not validate.
    """
    tree = read_yaml(path)
    experiment = experiment_from(tree.pop("experiment", {}), where=str(path))
    return Study.of(path, validated(StudyFile, tree, f"The study {path}"), experiment)


def _require_valid(study: Study) -> None:
    check(study.experiment)
    file, where = study.file, study.where
    if study.experiment.training.select_on == TARGET_ORACLE:
        raise UsageError(
            f"{where}: training.select_on: {TARGET_ORACLE!r} reads target labels, and a search "
            "must not. Take 'last' or a criterion on the source."
        )
    needless = [name for name in study.objectives if name not in study.scores]
    if needless:
        raise ConfigError(
            f"{where}: objectives: {', '.join(needless)} compares with a target, and the "
            "experiment has none."
        )
    study.sampler()
    study.queued()
    study.pruner()
    if len(study.objectives) > 1 and file.pruner.name != "none":
        raise ConfigError(
            f"{where}: pruner {file.pruner.name}: trials of several objectives cannot be "
            "compared epoch by epoch. Write pruner: none, or keep one objective."
        )
    if file.prune_on == "source_loss" and any(
        key == "loss" or key.startswith("loss.task") for key in study.space.keys
    ):
        raise ConfigError(
            f"{where}: prune_on source_loss: the task loss itself is searched, so its values "
            "cannot be compared. Use prune_on: source_error."
        )
    study.require_edges(check)
