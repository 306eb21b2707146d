"""Verbs for a study that is there: the best trial as a configuration, and a look at it."""

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import optuna
from rich.console import Console

from dagnn.config import experiment_from
from dagnn.console import log
from dagnn.errors import MissingDataError, UsageError
from dagnn.files import write_text
from dagnn.run.folder import RunFolder
from dagnn.tune.folder import StudyFolder
from dagnn.tune.importances import importances
from dagnn.tune.outcomes import CHOICES, Outcome, choose, read_outcomes
from dagnn.tune.report import write_study_report
from dagnn.tune.show import show_chosen, show_study
from dagnn.tune.storage import open_storage, without_password
from dagnn.tune.study import Study, reopen
from dagnn.yaml_files import read_yaml


@dataclass(frozen=True)
class Opened:
    """A study that was opened to be looked at.

    Attributes:
        study: what is searched.
        joined: the study in its storage.
        folder: of the study.
        outcomes: of all trials.
        address: what optuna-dashboard takes.
    """

    study: Study
    joined: optuna.Study
    folder: StudyFolder
    outcomes: list[Outcome]
    address: str


def open_study(path: Path, storage: str | None = None) -> Opened:
    """Open a study folder and read its trials.

    Args:
        path: the folder.
        storage: address of its database, where that needs a password or has moved.

    Raises:
        MissingDataError: there is no such study.
        StorageError: its storage cannot be reached.
    """
    folder = StudyFolder.open(path)
    study = reopen(folder.study)
    url = storage or folder.stored_url()
    if url is None and not folder.journal.is_file():
        raise MissingDataError(f"{path} has lost its journal.log. Name a database with --storage.")
    kept = open_storage(folder, storage)
    try:
        joined = optuna.load_study(study_name=study.name, storage=kept)
    except KeyError:
        raise MissingDataError(f"The storage has no study {study.name!r}.") from None
    address = str(folder.journal) if url is None else without_password(url)
    return Opened(study, joined, folder, read_outcomes(study, joined, folder), address)


def best(
    path: Path,
    *,
    out: Path,
    by: str = "objective",
    trial: int | None = None,
    storage: str | None = None,
    console: Console | None = None,
) -> Path:
    """Write the best trial as a configuration that ``dagnn train --config`` takes.

    Args:
        path: folder of the study.
        out: the configuration.
        by: ``objective``, or ``rank_sum`` over all recorded label-free scores.
        trial: a trial to take instead.
        storage: address of the study's database.
        console: where the choice is told; standard error if None.

    Raises:
        UsageError: nothing is complete, or there is no such choice.
        MissingDataError: the folder of the trial is not on this machine.
    """
    console = console or log()
    opened = open_study(path, storage)
    taken = choose(opened.outcomes, by, trial)
    folder = RunFolder(opened.folder.trial(taken.folder).path)
    if not folder.config.is_file():
        raise MissingDataError(
            f"{folder.config} is not here: trial {taken.number} ran on another machine. Copy its "
            "folder, or take another trial with --trial."
        )
    if out.exists():
        raise UsageError(f"{out} exists. Give another --out, or delete it.")
    experiment = folder.read_experiment()
    named = experiment.model_copy(update={"name": f"{opened.study.name}-best"})
    labels = f"by {by}; no target label was read"
    how = labels if trial is None else "by hand, whatever it was that chose it"
    write_text(out, _header(opened.study, taken, how) + named.to_yaml())
    experiment_from(read_yaml(out), where=str(out))
    show_chosen(opened.study, opened.outcomes, taken, console)
    if trial is None:
        for other in (name for name in CHOICES if name != by):
            number = choose(opened.outcomes, other).number
            also = "the same" if number == taken.number else f"trial {number}"
            console.print(f"Taken by {by}; --by {other} would take {also}.", highlight=False)
    console.print(
        f"dagnn train --config {quote(str(out))}", markup=False, highlight=False, soft_wrap=True
    )
    return out


def _header(study: Study, taken: Outcome, how: str) -> str:
    scores = ", ".join(f"{name} {value:.5g}" for name, value in taken.scores.items())
    return f"# Trial {taken.number} of the study {study.name}, taken {how}.\n# {scores}\n"


def show(path: Path, *, storage: str | None = None, draw: bool = True) -> Path | None:
    """Print trials, importances and how to open optuna-dashboard; write the report again.

    Args:
        path: folder of the study.
        storage: address of its database.
        draw: whether to write the report again.

    Returns:
        The path of the report; None where none was written.
    """
    opened = open_study(path, storage)
    show_study(opened.study, opened.outcomes, importances(opened.joined), opened.address)
    if not draw or not any(outcome.state == "complete" for outcome in opened.outcomes):
        return None
    return write_study_report(opened.study, opened.joined, opened.folder, opened.outcomes)
