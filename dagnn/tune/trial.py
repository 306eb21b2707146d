"""One trial: a variation is trained, scored without target labels, and its truth sealed."""

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
import torch
from optuna.trial import Trial
from rich.console import Console

from dagnn.config import Experiment
from dagnn.errors import NonFiniteLossError, UsageError
from dagnn.files import write_text
from dagnn.records import EpochRecord
from dagnn.run.parts import reads_target
from dagnn.run.prepared import Prepared
from dagnn.run.scores import target_scores
from dagnn.run.trial import prepare_once, train_prepared
from dagnn.training import Callback, Plan
from dagnn.tune.folder import StudyFolder, TrialFolder
from dagnn.tune.liveness import first_number
from dagnn.tune.study import Study

KEPT_DATA = 4
"""How many differently prepared data sets (linking radii, say) stay in memory."""
SCORES, MOCK, SECONDS = "scores", "mock", "seconds"
"""User attributes of a finished trial."""
ITS_OWN_FAULT = (NonFiniteLossError, UsageError, torch.OutOfMemoryError)
"""What a trial may fail of without ending the study: these values do not work."""


class SharedData:
    """Data prepared once for all trials that read them alike.

    Args:
        place: data folder.
        console: where reading is told.
        prepare: what reads, for tests.
    """

    def __init__(
        self,
        place: Path,
        console: Console,
        prepare: Callable[[Experiment, Path, Console], Prepared] = prepare_once,
    ) -> None:
        self.place = place
        self.console = console
        self._prepare = prepare
        self._known: OrderedDict[str, Prepared] = OrderedDict()

    def of(self, experiment: Experiment) -> Prepared:
        """Return the data of an experiment, read only if no trial had the same."""
        key = json.dumps(
            [
                experiment.data.model_dump(mode="json", exclude={"workers", "path"}),
                experiment.source,
                experiment.target,
                experiment.seed,
                experiment.loss.prior_guard and reads_target(experiment),
            ]
        )
        if key not in self._known:
            self._known[key] = self._prepare(experiment, self.place, self.console)
            if len(self._known) > KEPT_DATA:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


class Pruning(Callback):
    """Reports a validation number after every epoch and gives up where the pruner says so.

    Args:
        trial: to report to.
        score: name of the validation number.
        tell: called with the epoch and their number, for progress.
    """

    def __init__(self, trial: Trial, score: str, tell: Callable[[int, int], None]) -> None:
        self.trial = trial
        self.score = score
        self.tell = tell
        self._epochs = 0

    def on_start(self, plan: Plan, history: Sequence[EpochRecord]) -> None:
        """Report what a resumed trial had already been through."""
        self._epochs = plan.epochs
        for record in history:
            self.trial.report(record.valid[self.score], record.epoch)

    def on_epoch(self, record: EpochRecord) -> None:
        """Report an epoch.

        Raises:
            TrialPruned: the trial is not worth going on with.
        """
        self.tell(record.epoch, self._epochs)
        self.trial.report(record.valid[self.score], record.epoch)
        if record.epoch < self._epochs and self.trial.should_prune():
            raise optuna.TrialPruned


class Telling(Callback):
    """Tells how far a trial is, where nothing is pruned."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self.tell = tell
        self._epochs = 0

    def on_start(self, plan: Plan, history: Sequence[EpochRecord]) -> None:
        """Learn how long it will be."""
        self._epochs = plan.epochs

    def on_epoch(self, record: EpochRecord) -> None:
        """Tell."""
        self.tell(record.epoch, self._epochs)


def run_trial(
    study: Study,
    trial: Trial,
    data: SharedData,
    folder: StudyFolder,
    tell: Callable[[int, int], None] = lambda epoch, epochs: None,
) -> list[float]:
    """Train and score one trial.

    Everything that the search may know goes into the trial's attributes. What the
    network is worth on target labels goes into a sealed file and nowhere else.

    Args:
        study: what is varied.
        trial: draws the values.
        data: shared by all trials.
        folder: of the study.
        tell: called with the epoch and their number.

    Returns:
        The objectives, to be minimised.

    Raises:
        TrialPruned: the pruner gave it up.
    """
    place = folder.trial(first_number(trial))
    experiment = study.variation(study.space.suggest(trial))
    experiment = experiment.model_copy(
        update={
            "name": f"{study.name}-trial-{first_number(trial)}",
            "data": experiment.data.model_copy(update={"path": data.place}),
        }
    )
    prepared = data.of(experiment)
    watch = study.file.pruner.name != "none"
    callback = Pruning(trial, study.file.prune_on, tell) if watch else Telling(tell)
    trained = train_prepared(
        experiment,
        prepared,
        place.path,
        callbacks=[callback],
        reverse="reverse_error" in study.scores,
    )
    _seal(place, target_scores(trained.network, prepared))
    trial.set_user_attr(SCORES, {k: _plain(v) for k, v in trained.scores.items()})
    trial.set_user_attr(MOCK, prepared.mock)
    values = [trained.scores[name] for name in study.objectives]
    if not all(map(math.isfinite, values)):
        told = ", ".join(f"{name} {trained.scores[name]}" for name in study.objectives)
        raise NonFiniteLossError(f"An objective could not be measured: {told}.")
    return values


def _seal(place: TrialFolder, scores: dict[str, float]) -> None:
    note = (
        "ORACLE: measured on target labels. Written for the report that is made after the search; "
        "the search never reads it."
    )
    write_text(place.sealed, json.dumps({"note": note, "target_test": scores}, indent=2) + "\n")


def _plain(value: float) -> float | None:
    """Return a number that JSON knows."""
    return value if math.isfinite(value) else None
