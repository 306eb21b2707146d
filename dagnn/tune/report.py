"""A study to look at: tables in a terminal, one page with figures, and the best trial to take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import optuna
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagnn.console import log, print_line, screen
from dagnn.errors import MissingDataError, UsageError
from dagnn.evaluation.wording import heading
from dagnn.files import write_text
from dagnn.report.figures.style import save_figure
from dagnn.report.page import picture, render
from dagnn.run.folder import RunFolder
from dagnn.run.selection import SCORES
from dagnn.tune.figures import short, study_figures
from dagnn.tune.outcomes import (
    CHOICES,
    Choice,
    Outcome,
    choices,
    choose,
    importances,
    read_outcomes,
    verdict,
)
from dagnn.tune.storage import StudyFolder, open_storage, storage_errors, without_password
from dagnn.tune.study import Study, reopen

ORACLE_NOTE = (
    "ORACLE columns were measured on labelled test items of the target after each training. The "
    "search never read them; nobody has them for a real target."
)
ORACLE_COLUMNS = ("ORACLE target error", "ORACLE target R²")
CAPTIONS = {
    "history": "Every trial in its order, and the best so far. Crosses: given up early.",
    "importance": "How much of the objective's variation over the trials each key explains. With "
    "few trials this is rough.",
    "slices": "Each trial's objective over the value of each key. A flat cloud means that the key "
    "does not matter in this range.",
    "pareto": "Label-free scores against each other. On the front, no trial is better in both. "
    "The AUC alone is no criterion: a network that has forgotten everything has a perfect one.",
    "cost": "ORACLE: the error on labelled target items, read after the search. A score is a good "
    "criterion if the cloud rises from left to right.",
}


@dataclass(frozen=True)
class OpenStudy:
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


def open_study(path: Path, storage: str | None = None) -> OpenStudy:
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
    if url is None and not (folder.database.is_file() or folder.journal.is_file()):
        raise MissingDataError(f"{path} has lost its study.db. Name a database with --storage.")
    with storage_errors(folder, storage):
        try:
            joined = optuna.load_study(study_name=study.name, storage=open_storage(folder, storage))
        except KeyError:
            raise MissingDataError(f"The storage has no study {study.name!r}.") from None
        outcomes = read_outcomes(joined, study.objectives, folder.trials)
    address = f"sqlite:///{folder.database}" if url is None else without_password(url)
    return OpenStudy(study, joined, folder, outcomes, address)


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
        console: where the choice is reported; standard error if None.

    Raises:
        UsageError: nothing is complete, or there is no such choice.
        MissingDataError: the folder of the trial is not on this machine.
    """
    console = console or log()
    opened = open_study(path, storage)
    taken = choose(opened.outcomes, by, trial)
    folder = RunFolder(opened.folder.trial(taken.folder))
    if not folder.config.is_file():
        raise MissingDataError(
            f"{folder.config} is not here: trial {taken.number} ran on another machine. Copy its "
            "folder, or take another trial with --trial."
        )
    if out.exists():
        raise UsageError(f"{out} exists. Give another --out, or delete it.")
    name = opened.study.name
    named = folder.read_experiment().model_copy(update={"name": f"{name}-best"})
    how = f"by {by}; no target label was read"
    if trial is not None:
        how = "by hand, whatever it was that chose it"
    scores = ", ".join(f"{key} {value:.5g}" for key, value in taken.scores.items())
    header = f"# Trial {taken.number} of the study {name}, taken {how}.\n# {scores}\n"
    write_text(out, header + named.to_yaml())
    lines = [
        f"Trial {taken.number} of {len(opened.outcomes)}: {_settings(taken.values)}",
        "Without target labels: "
        + "  ".join(f"{key} {_number(value)}" for key, value in taken.scores.items()),
    ]
    for other in (other for other in CHOICES if trial is None and other != by):
        number = choose(opened.outcomes, other).number
        also = "the same" if number == taken.number else f"trial {number}"
        lines.append(f"Taken by {by}; --by {other} would take {also}.")
    for line in (*lines, f"dagnn train --config {quote(str(out))}"):
        print_line(console, line)
    return out


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
    study, outcomes = opened.study, opened.outcomes
    console = screen(130)
    console.print(_trials_table(study, outcomes))
    importance = importances(opened.joined)
    if importance:
        console.print(_importance_table(importance, study.objectives[0]))
    found = choices(outcomes, study.objectives, study.default())
    if found:
        console.print(_choices_table(found, study.scores))
        console.print(verdict(found), highlight=False)
        console.print(ORACLE_NOTE, style="dim")
    console.print(
        f"\nLook closer: optuna-dashboard {quote(opened.address)}   (pip install optuna-dashboard)",
        highlight=False,
        soft_wrap=True,
    )
    if not draw or not found:
        return None
    return write_study_report(study, opened.joined, opened.folder, outcomes)


def write_study_report(
    study: Study, joined: optuna.Study, folder: StudyFolder, outcomes: Sequence[Outcome]
) -> Path:
    """Write ``report.html`` and its figures into the folder of a study.

    Args:
        study: what is searched.
        joined: the study in its storage.
        folder: of the study.
        outcomes: of all trials, one or more of them complete.

    Returns:
        The path of the page.
    """
    found = choices(outcomes, study.objectives, study.default())
    figures = study_figures(study, outcomes, found, importances(joined))
    for name, figure in figures.items():
        save_figure(figure, folder.figures, name)
    scores, keys = study.scores, study.space.keys
    page = render(
        "study.html.j2",
        folder=Path(__file__).parent,
        title=f"Study {study.name}",
        mock=any(outcome.mock for outcome in outcomes),
        oracle=False,
        headline=headline(study, outcomes, found),
        verdict=verdict(found),
        scores=[(name, SCORES[name]) for name in scores],
        choices=[
            ["choice", "trial", *ORACLE_COLUMNS, *scores, *keys],
            *(
                [
                    choice.label,
                    choice.outcome.number,
                    *_target(choice.outcome),
                    *_scores(choice.outcome, scores),
                    *_values(choice.outcome, keys),
                ]
                for choice in found
            ),
        ],
        trials=[
            ["trial", "state", *scores, "s", *keys],
            *(
                [
                    outcome.number,
                    _state(outcome),
                    *_scores(outcome, scores),
                    _seconds(outcome),
                    *_values(outcome, keys),
                ]
                for outcome in outcomes
            ),
        ],
        pictures=[picture(name, figure, CAPTIONS[name]) for name, figure in figures.items()],
        study_yaml=study.to_yaml(),
        path=quote(str(folder.path)),
    )
    return write_text(folder.report, page)


def headline(study: Study, outcomes: Sequence[Outcome], found: Sequence[Choice]) -> str:
    """Sum the study up in two sentences."""
    states = [outcome.state for outcome in outcomes]
    counts = {word: states.count(word) for word in ("complete", "pruned", "failed")}
    listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    taken = next(choice for choice in found if choice.label.startswith("lowest")).outcome
    values = ", ".join(f"{name} {value:.4g}" for name, value in taken.objectives.items())
    text = f"{listed} trials. Trial {taken.number} has the lowest {values}"
    default = next((choice for choice in found if choice.label.startswith("the experiment")), None)
    if default is not None and len(study.objectives) == 1:
        value = default.outcome.objectives[study.objectives[0]]
        text += f"; the experiment as it stands has {value:.4g}"
    return f"{text}."


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}".replace("-", "−")


def _setting(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{short(key)} {_setting(value)}" for key, value in values.items())


def _scores(outcome: Outcome, names: Sequence[str]) -> list[str]:
    return [_number(outcome.scores.get(name, math.nan)) for name in names]


def _target(outcome: Outcome) -> list[str]:
    return [_number(outcome.target.get(name, math.nan)) for name in ("error", "r2")]


def _values(outcome: Outcome, keys: Sequence[str]) -> list[str]:
    return [_setting(outcome.values.get(key, "–")) for key in keys]


def _seconds(outcome: Outcome) -> str:
    return "–" if math.isnan(outcome.seconds) else f"{outcome.seconds:.1f}"


def _state(outcome: Outcome) -> str:
    if outcome.state == "pruned":
        return f"pruned at {outcome.epochs}"
    if outcome.state == "failed":
        return f"failed: {outcome.reason.splitlines()[0] if outcome.reason else 'unknown'}"
    return outcome.state


def _trials_table(study: Study, outcomes: Sequence[Outcome]) -> Table:
    mock = any(outcome.mock for outcome in outcomes)
    title = Text(heading(f"study {study.name}", mock, False))
    table = Table(title=title, title_style="bold", box=SIMPLE_HEAD, show_edge=False)
    table.add_column("trial", justify="right")
    table.add_column("state", overflow="ellipsis", max_width=34, no_wrap=True)
    for name in study.scores:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("values", overflow="fold")
    table.add_column("s", justify="right")
    for outcome in outcomes:
        scores = _scores(outcome, study.scores)
        settings = _settings(outcome.values)
        cells = [str(outcome.number), _state(outcome), *scores, settings, _seconds(outcome)]
        table.add_row(*map(Text, cells))
    return table


def _importance_table(importance: Mapping[str, float], objective: str) -> Table:
    title = f"importance for {objective} (with few trials this is rough)"
    table = Table(
        title=title, title_style="bold", title_justify="left", box=None, show_header=False
    )
    for key, share in importance.items():
        table.add_row(Text(key), f"{share:.0%}", "█" * round(30 * share))
    return table


def _choices_table(found: Sequence[Choice], scores: Sequence[str]) -> Table:
    table = Table(
        title="what to take",
        title_style="bold",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
    )
    table.add_column("choice")
    for name in ("trial", *scores, *ORACLE_COLUMNS):
        table.add_column(name, justify="right")
    for choice in found:
        outcome = choice.outcome
        cells = [choice.label, str(outcome.number), *_scores(outcome, scores), *_target(outcome)]
        table.add_row(*map(Text, cells), style="yellow" if choice.oracle else "")
    return table
