"""A study file: read, validated as a whole, and told apart from others by a fingerprint."""

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.pruners import BasePruner

from dagnn import run
from dagnn.config import (
    Experiment,
    Override,
    build,
    experiment_from,
    find_shipped,
    lookup,
    validated,
)
from dagnn.errors import ConfigError, DagnnError, UsageError
from dagnn.run.assemble import check
from dagnn.run.scores import SCORES
from dagnn.training import TARGET_ORACLE
from dagnn.tune.samplers import PRUNERS, SAMPLERS, PerTrial, grid_points
from dagnn.tune.schema import Budget, StudyFile
from dagnn.tune.space import Space, Values
from dagnn.yaml_files import read_yaml, to_yaml

NOT_IN_FINGERPRINT = (
    "name",
    "data.path",
    "data.workers",
    "training.device",
    "evaluation",
    "calibration",
)
"""Parts of an experiment that may differ between workers of one study."""


@dataclass(frozen=True)
class Study:
    """A validated study.

    Attributes:
        name: in the storage.
        file: what the file says.
        experiment: what trials are variations of.
        space: what is varied.
        where: the file, for messages.
    """

    name: str
    file: StudyFile
    experiment: Experiment
    space: Space
    where: str

    @property
    def objectives(self) -> tuple[str, ...]:
        """Scores that are minimised."""
        return tuple(self.file.objectives)

    @property
    def scores(self) -> tuple[str, ...]:
        """Scores that every finished trial records."""
        without = () if self.experiment.target else ("domain_auc", "reverse_error")
        reverse = self.file.reverse_validation or "reverse_error" in self.objectives
        left_out = (*without, *(() if reverse else ("reverse_error",)))
        return tuple(score for score in SCORES if score not in left_out)

    def variation(self, values: Values) -> Experiment:
        """Return the experiment with drawn values put in.

        Raises:
            ConfigError: they make no valid experiment.
        """
        tree = self.space.put(values, self.experiment.model_dump(mode="json"))
        return experiment_from(tree, where=self.where)

    def default(self) -> Values | None:
        """Return the drawn values of the experiment as it stands, if the space holds it."""
        drawn = self.space.drawn_from(self.experiment.model_dump(mode="json"))
        if drawn is None or self.variation(drawn) != self.experiment:
            return None
        return drawn

    def queued(self) -> list[Values]:
        """Return the trials that stand in the queue of a fresh study."""
        if self.file.sampler.name == "grid":
            return grid_points(self.space, self.file.seed)
        default = self.default() if self.file.start_from_default else None
        return [default] if default else []

    def trials(self) -> int:
        """Return how many trials the study is done after."""
        if self.file.sampler.name == "grid":
            return min(self.file.budget.trials, len(self.queued()))
        return self.file.budget.trials

    def sampler(self) -> PerTrial:
        """Make the sampler."""
        make = build(SAMPLERS, self.file.sampler, "sampler", space=self.space)
        return PerTrial(make, self.file.seed)

    def pruner(self) -> BasePruner:
        """Make the pruner."""
        part = self.file.pruner
        made = lookup(PRUNERS, part.name, "pruner")
        reads = "epochs" in inspect.signature(made).parameters
        return build(PRUNERS, part, "pruner", **({"epochs": self._epochs()} if reads else {}))

    def _epochs(self) -> int:
        """Return how long the longest trial may train."""
        edges = [(key, edge) for key, edge, _ in self.space.edges()]
        longest = [int(edge or 0) for key, edge in edges if key == "training.epochs"]
        return max([self.experiment.training.epochs, *longest])

    def describe(self) -> dict[str, Any]:
        """Return what must be equal in two workers of one study, as plain values."""
        tree = self.experiment.model_dump(mode="json")
        for key in NOT_IN_FINGERPRINT:
            part, _, below = key.partition(".")
            if below:
                tree[part].pop(below, None)
            else:
                tree.pop(part)
        return {
            "experiment": tree,
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


def read_study(
    source: str | Path,
    *,
    data: Path | None = None,
    trials: int | None = None,
    hours: float | None = None,
    overrides: Sequence[Override] = (),
) -> Study:
    """Read a study and refuse what cannot be meant, before any data are read.

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
    path = find_shipped(source, "tuning", "study")
    file = validated(StudyFile, read_yaml(path), f"The study {path}")
    limits = {k: v for k, v in {"trials": trials, "hours": hours}.items() if v is not None}
    budget = validated(Budget, {**file.budget.model_dump(), **limits}, "The budget")
    file = file.model_copy(update={"budget": budget})
    start = file.experiment
    experiment = run.load(
        _beside(path, start.config),
        [*start.set.items(), *overrides],
        source=start.source,
        target=start.target,
        data=data,
    )
    study = _study(path, file, experiment)
    _require_sound(study)
    return study


def reopen(path: Path) -> Study:
    """Read the study that a study folder keeps, with its experiment resolved.

    Raises:
        ConfigError: the file was changed into something that does not validate.
    """
    tree = read_yaml(path)
    experiment = experiment_from(tree.pop("experiment", {}), where=str(path))
    file = validated(StudyFile, tree, f"The study {path}")
    return _study(path, file, experiment)


def _study(path: Path, file: StudyFile, experiment: Experiment) -> Study:
    space = Space.of(file.space, str(path))
    return Study(file.name or path.stem, file, experiment, space, str(path))


def _beside(study: Path, config: str) -> str:
    """Return a configuration file that lies beside the study, or the name as it is."""
    beside = study.parent / config
    return str(beside) if beside.is_file() else config


def _require_sound(study: Study) -> None:
    check(study.experiment)
    file = study.file
    if study.experiment.training.select_on == TARGET_ORACLE:
        raise UsageError(
            f"{study.where}: training.select_on: {study.experiment.training.select_on!r} reads "
            "target labels, and a search must not. Take 'last' or a criterion on the source."
        )
    needless = [name for name in study.objectives if name not in study.scores]
    if needless:
        raise ConfigError(
            f"{study.where}: objectives: {', '.join(needless)} compares with a target, and the "
            "experiment has none."
        )
    study.sampler()
    study.pruner()
    if len(study.objectives) > 1 and file.pruner.name != "none":
        raise ConfigError(
            f"{study.where}: pruner {file.pruner.name}: trials of several objectives cannot be "
            "compared epoch by epoch. Write pruner: none, or keep one objective."
        )
    if file.prune_on == "source_loss" and any(
        key == "loss" or key.startswith("loss.task") for key in study.space.keys
    ):
        raise ConfigError(
            f"{study.where}: prune_on source_loss: the task loss itself is searched, so its values "
            "cannot be compared. Use prune_on: source_error."
        )
    require_edges(study, check)


def require_edges(study: Study, accept: Callable[[Experiment], object]) -> None:
    """Put low, high and every choice of each key into the experiment and see that it holds.

    Args:
        study: the study.
        accept: called with every such experiment; raises where it cannot be meant.

    Raises:
        ConfigError: one cannot be meant; the message names key and value.
    """
    for key, edge, values in study.space.edges():
        try:
            accept(study.variation(values))
        except DagnnError as error:
            raise ConfigError(
                f"{study.where}: space.{key}: the value {_shown(edge)} is refused. {error}"
            ) from error


def _shown(edge: Any) -> str:
    return f"{edge:g}" if isinstance(edge, float) and math.isfinite(edge) else repr(edge)
