"""Compare finished runs on one page."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from shlex import quote

from rich.console import Console

from dagnn.config import Experiment
from dagnn.console import busy, log, print_line, print_notes, screen
from dagnn.errors import MissingDataError, UsageError
from dagnn.evaluation.storage import read_predictions, read_results
from dagnn.files import entries
from dagnn.report.comparison.differences import write_comparison_csv
from dagnn.report.comparison.notes import beyond_priors, shared_splits, warnings
from dagnn.report.comparison.page import comparison_figures, write_comparison
from dagnn.report.comparison.runs import ALARM, STRESS_TEST, FinishedRun, Group, Stamp, group_runs
from dagnn.report.console import NARROW, comparison_console
from dagnn.report.figures.style import save_figure
from dagnn.run.folder import RunFolder, RunRecord
from dagnn.run.outputs import chosen_by_oracle, held_out, restrictions, with_groups
from dagnn.run.ranges import alarm_text
from dagnn.tasks import AnyPredictions, task_of
from dagnn.tasks.prior import Prior
from dagnn.trust.alarms import class_alarms

PARTS = {"figures", "report.html"}
"""What of a comparison may be there without its table, if it was stopped."""
NOTES_SHOWN = 4
"""Notes on predictions beyond a prior that a screen is filled with; the page has them all."""
DEEPEST = 3
"""How many folders below the one named are searched for runs: matrix, pair, seed."""


def compare(
    paths: Sequence[Path],
    *,
    out: Path | None = None,
    title: str | None = None,
    console: Console | None = None,
) -> Path:
    """Write the comparison of finished runs and print its table.

    Args:
        paths: run directories, or folders of runs, such as a sweep.
        out: where page, table and figures go; if None, ``comparison`` in the folder of
            runs where one was named, else beside the first run.
        title: heading of the page; the suites if None.
        console: where notes go; standard error if None.

    Returns:
        The path of the page.

    Raises:
        MissingDataError: a path is no run and holds none, or a run is unfinished.
        UsageError: ``out`` is one of the runs; some infer parameters and some classes.
    """
    console = console or log()
    folders, unfinished = find_runs(paths)
    out = out or _place(paths, folders)
    require_place(out)
    groups = group_runs(read_runs(folders))
    _require_one_kind(groups)
    title = title or heading(groups)
    notes = [f"{path} is unfinished and left out." for path in unfinished]
    print_notes(console, notes)
    with busy(console, "Drawing the comparison"):
        write_comparison_csv(out / "comparison.csv", groups)
        figures = comparison_figures(groups)
        for name, figure in figures.items():
            save_figure(figure, out / "figures", name)
        page = write_comparison(out / "report.html", groups, figures, title=title, notes=notes)
    show(groups, title)
    for word, sentence in warnings(groups):
        print_line(console, sentence, f"[bold yellow]{word}[/]")
    beyond = list(beyond_priors(groups))
    rest = len(beyond) - NOTES_SHOWN
    more = [f"... and {rest} more such notes: {page}"] if rest > 0 else []
    print_notes(console, (*shared_splits(groups), *beyond[:NOTES_SHOWN], *more))
    print_line(console, f"Comparison: {page}")
    return page


def _require_one_kind(groups: Sequence[Group]) -> None:
    kinds = {type(p) for group in groups for run in group.runs for p in run.predictions}
    if len(kinds) > 1:
        raise UsageError(
            "Some of these runs infer parameters and some tell classes apart: they have no metric "
            "in common. Compare them separately."
        )


def require_place(out: Path) -> None:
    """Refuse a folder that holds something else than a comparison, which would be made anew.

    Raises:
        UsageError: it does.
    """
    if RunFolder(out).config.exists():
        raise UsageError(f"{out} is a run. Name another folder with --out.")
    if not out.exists() or (out / "comparison.csv").is_file():
        return
    if out.is_dir() and {p.name for p in entries(out)} <= PARTS:
        return
    raise UsageError(
        f"{out} holds something else than a comparison. Name another folder with --out, or move "
        "it away."
    )


def _place(paths: Sequence[Path], folders: Sequence[RunFolder]) -> Path:
    alone = len(paths) == 1 and holds_runs(paths[0])
    return (paths[0] if alone else folders[0].path.parent) / "comparison"


def show(groups: Sequence[Group], title: str) -> None:
    """Print the summary to standard output."""
    console = screen(130)  # names of runs are long
    console.print(comparison_console(groups, title, narrow=console.width < NARROW))


def heading(groups: Iterable[Group]) -> str:
    """Name a comparison by its suites, where they are few."""
    titles = dict.fromkeys(group.title for group in groups)
    return " and ".join(titles) if len(titles) <= 2 else f"{len(titles)} pairings of suites"


def find_runs(paths: Sequence[Path]) -> tuple[list[RunFolder], list[Path]]:
    """Open every run that is named or lies in a folder that is named.

    Returns:
        The finished runs, none twice, and the unfinished ones inside folders.

    Raises:
        MissingDataError: a path is no run and holds none, or a run that was named itself is
            unfinished.
    """
    found: dict[Path, RunFolder] = {}
    unfinished: list[Path] = []
    for path in paths:
        folder = RunFolder(path)
        if folder.config.is_file():
            require_finished(folder)
            found.setdefault(path.resolve(), folder)
            continue
        inside = [RunFolder(each) for each in runs_inside(path)]
        if not inside:
            RunFolder.open(path)  # its error lists what there is instead
        for each in inside:
            if each.is_finished():
                found.setdefault(each.path.resolve(), each)
            else:
                unfinished.append(each.path)
    if not found:
        require_finished(RunFolder(unfinished[0]))
    return list(found.values()), unfinished


def require_finished(folder: RunFolder) -> None:
    """Refuse a run whose results are not all there.

    Raises:
        MissingDataError: it is unfinished; the message has the command that finishes it.
    """
    if not folder.is_finished():
        raise MissingDataError(
            f"{folder.path} is unfinished. Finish it with: dagnn train --resume "
            f"{quote(str(folder.path))}"
        )


def runs_inside(path: Path, depth: int = DEEPEST) -> Iterator[Path]:
    """Give the runs inside a folder, by name; nothing inside a run is searched."""
    if not path.is_dir() or depth == 0:
        return
    for child in sorted(entries(path), key=_natural):
        if RunFolder(child).config.is_file():
            yield child
        else:
            yield from runs_inside(child, depth - 1)


def holds_runs(path: Path) -> bool:
    """Whether a path is no run itself but a folder of runs."""
    return not RunFolder(path).config.is_file() and any(True for _ in runs_inside(path))


def _natural(path: Path) -> tuple[str, int, str]:
    """Order seed-2 before seed-10."""
    stem = path.name.rstrip("0123456789")
    return stem, int(path.name[len(stem) :] or -1), path.name


def read_runs(folders: Sequence[RunFolder]) -> list[FinishedRun]:
    """Read what a comparison needs of each run, named by where they lie apart."""
    names = run_names([folder.path for folder in folders])
    return [read_run(folder, name) for folder, name in zip(folders, names, strict=True)]


def run_names(paths: Sequence[Path]) -> list[str]:
    """Name paths by what lies below their common folder."""
    whole = [path.absolute() for path in paths]
    common = Path(os.path.commonpath([path.parent for path in whole]))
    return [path.relative_to(common).as_posix() for path in whole]


def read_run(folder: RunFolder, name: str) -> FinishedRun:
    """Read one finished run."""
    experiment, record = folder.read_experiment(), folder.read_record()
    predictions = read_predictions(folder.predictions, task_of(record.classes))
    return FinishedRun(
        name=name,
        source=tuple(experiment.source),
        target=tuple(experiment.target),
        seed=experiment.seed,
        results=read_results(folder.results),
        predictions=with_groups(folder, predictions),
        config=experiment.model_dump(mode="json"),
        data=record.data,
        mock=record.any_mock,
        oracle=chosen_by_oracle(experiment),
        revision=record.git_revision,
        stamps=stamps_of(experiment, record, held_out(predictions)),
        notes=tuple(map(str, record.evaluation.notes)),
        priors=Prior.within(record.priors),
    )


def stamps_of(
    experiment: Experiment, record: RunRecord, predictions: Sequence[AnyPredictions]
) -> tuple[Stamp, ...]:
    """Collect what a run's numbers are stamped with: stress tests, alarms, what weights have seen.

    Args:
        experiment: what was run.
        record: what the run recorded about itself.
        predictions: of held-out items.
    """
    targets = tuple(dict.fromkeys(p.suite for p in predictions if p.role == "target"))
    found = [
        Stamp(STRESS_TEST, name, text, targets) for name, text in restrictions(experiment).items()
    ]
    for each in record.intervals:
        if each.alarm:
            subject = f"{each.suite}, {each.parameter}"
            found.append(Stamp(ALARM, subject, alarm_text(each), (each.suite,)))
    for alarm in class_alarms(predictions):
        subject = f"{alarm.target}, {alarm.subject}"
        found.append(Stamp(ALARM, subject, alarm.sentence(), (alarm.target,)))
    found += [
        Stamp(note.kind, str(note), note.text)
        for note in record.notes
        if note.kind and note.kind not in (ALARM, STRESS_TEST)
    ]
    return tuple(found)
