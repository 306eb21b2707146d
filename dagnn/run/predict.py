"""Predict new files with a finished run."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote

import torch
from rich.console import Console
from rich.markup import escape

from dagnn.catalogs.suites import guess_suite
from dagnn.console import log, screen
from dagnn.data.images import require_trained_scale
from dagnn.data.kinds import kind_of
from dagnn.data.requests import Inputs, Loaded, Modality, Request
from dagnn.errors import DataError, MismatchError, UsageError, nearest
from dagnn.evaluation.beyond import beyond_prior
from dagnn.evaluation.predict import predict as predict_items
from dagnn.evaluation.storage import Remarks, write_predictions
from dagnn.parameters import Scaling
from dagnn.records import Dataset
from dagnn.run.calibrate import apply_scale, read_scale
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import modality_of, stored_truth
from dagnn.run.ranges import (
    alarm_text,
    outside_range,
    stored_intervals,
    unlike_as_a_set,
    warn_outside,
)
from dagnn.run.show import show_predictions, tell_unknown
from dagnn.run.trained import Trained, adapt, apply_novelty, read_familiar, uncalibrated
from dagnn.tasks import CLASSIFICATION, AnyPredictions, task_of
from dagnn.tasks.prior import Prior
from dagnn.training import Checkpoint
from dagnn.trust.error_bars import VarianceScale


def named_by(files: Sequence[Path], domains: Sequence[str]) -> str | None:
    """Return the trained suite that the paths of all files name as a word, if they agree.

    Names of files count before those of their folders.

    Example:
        >>> named_by([Path("sdss/gz_illustris.npz")], ["sdss", "illustris"])
        'illustris'
    """
    found = {_named_by(Path(file), domains) for file in files}
    return found.pop() if len(found) == 1 else None


def require_one(files: Sequence[Path], checkpoint: Checkpoint) -> None:
    """Refuse files of several trained suites where each has statistics of its own.

    Raises:
        UsageError: the paths name more than one.
    """
    domains = checkpoint.meta["domains"]
    found = {_named_by(Path(file), domains) for file in files} - {None}
    if len(found) > 1 and checkpoint.meta["statistics"] > 1:
        raise UsageError(
            f"The paths name {' and '.join(sorted(map(str, found)))}, and every suite of the run "
            "has statistics of its own. Predict one suite at a time, or name one with --suite."
        )


def _named_by(file: Path, domains: Sequence[str]) -> str | None:
    for part in reversed(file.absolute().parts):
        words = re.split(r"[^a-z0-9]+", part.casefold())
        named = [domain for domain in domains if domain.casefold() in words]
        if named:
            return named[0] if len(named) == 1 else None
    return None


def choose_suite(
    asked: str | None,
    guessed: str | None,
    checkpoint: Checkpoint,
    adapted: bool,
    console: Console,
) -> str | None:
    """Decide which suite's statistics to see new files through, and say so.

    Args:
        asked: what the user named.
        guessed: what the paths of the files name.
        checkpoint: of the run.
        adapted: whether statistics are estimated from the files themselves.
        console: where to say it.
    """
    domains = checkpoint.meta["domains"]
    if asked is not None or adapted:
        return asked
    if checkpoint.meta["statistics"] == 1:
        return guessed if guessed in domains else None
    chosen = guessed if guessed in domains else None
    why = (
        f"Seen through the statistics of {escape(chosen)}, which the paths name."
        if chosen
        else f"[yellow]Note:[/] Seen through the statistics of {escape(domains[0])}, as the paths "
        "name no suite of the run. Files of another suite are then predicted as if nothing were "
        "aligned."
    )
    console.print(
        f"{why} Others: --suite {escape(' or '.join(domains))}, or --adapt-statistics.",
        highlight=False,
        soft_wrap=True,
    )
    return chosen


def domain_of(suite: str | None, domains: Sequence[str]) -> int:
    """Return the number that a suite had in training; 0, the first source, for none.

    Raises:
        UsageError: the run was not trained on it.
    """
    if suite is None:
        return 0
    if suite not in domains:
        raise UsageError(f"The run was not trained on {suite}. {nearest(suite, domains)}")
    return list(domains).index(suite)


OUTSIDE = "outside_training_range"
"""Column of a file of predictions: what of an input training has not seen; empty if nothing."""
UNKNOWN_SUITE = "unknown"
"""How a file of predictions calls the suite of inputs whose paths name none."""
SHARED = "shared"
"""What stands in the column of statistics where all suites share them."""
_OTHER = "Give another --out"
FIRST_COLUMNS = "suite,role,split,id,"
"""How every file of predictions begins."""
STATISTICS = "statistics"
"""Column of a file of predictions: the suite whose statistics inputs are seen through."""
ADAPTED = (
    "The statistics of these files are their own, which assumes that their parameters, or classes, "
    "are spread like those of training. Nothing here can tell whether they are: where they span "
    "less, means are spread too far and error bars are too small. Beside the data of training it "
    "is checked by: dagnn evaluate RUN --suite NAME --adapt-statistics"
)


def predict(
    path: Path,
    files: Sequence[Path],
    *,
    suite: str | None = None,
    adapt_statistics: bool = False,
    out: Path | None = None,
    console: Console | None = None,
) -> AnyPredictions:
    """Predict the parameters, or the classes, of new files with a finished run.

    Args:
        path: run directory.
        files: catalogues, or files of spectra.
        suite: the trained suite whose statistics to use; the first source if None.
        adapt_statistics: estimate statistics from these files instead.
        out: CSV file; a table on the screen if None. Its last columns say what of an input
            lies outside the range of training (empty where nothing does), which predictions
            or error bars reach beyond the prior, through the statistics of which suite inputs
            are seen (``shared`` by all), and whether network or inputs come of mock data.
        console: where warnings go; standard error if None.
    """
    console = console or log()
    if suite is not None and adapt_statistics:
        raise UsageError(
            "--suite names the statistics to use and --adapt-statistics estimates others. Give "
            "one of them."
        )
    require_replaceable(out)
    trained = Trained.open(path)
    modality = modality_of(trained.experiment)
    if suite is None and not adapt_statistics:
        require_one(files, trained.checkpoint)
    asked = None if suite is None else modality.name(suite)
    loaded = _read(trained, modality, files, asked)
    say_notes(console, loaded.notes)
    guessed = loaded.suite or named_by(files, trained.checkpoint.meta["domains"])
    chosen = choose_suite(asked, guessed, trained.checkpoint, adapt_statistics, console)
    told = [*uncalibrated(trained.folder, trained.experiment), *_without_novelty(trained)]
    told += [ADAPTED] if adapt_statistics else []
    truth = stored_truth(trained.checkpoint.meta)
    scale = read_scale(trained.folder, task_of(truth.answer))
    if isinstance(scale, VarianceScale) and not scale.fitted:
        told += scale.sentences()
    say_notes(console, [*told, *_alarms(trained.folder, chosen)])
    meta = trained.checkpoint.meta
    spread = meta.get("training_spread", {})
    outside = outside_range(loaded.dataset, meta["training_range"], spread)
    warn_outside(outside, unlike_as_a_set(loaded.dataset, outside, spread), console)
    mock = _say_mock(trained, loaded, console)
    raw = _predict(trained, loaded.dataset, chosen, adapt_statistics)
    labelled = [modality.name(name) for name in trained.experiment.source]
    calibrated: AnyPredictions
    judged = apply_novelty(read_familiar(trained.folder), [raw])
    (calibrated,) = apply_scale(scale, judged, labelled)
    domains = trained.checkpoint.meta["domains"]
    shared = trained.checkpoint.meta["statistics"] == 1
    through = SHARED if shared else chosen or domains[0]
    through = "these files" if adapt_statistics else through
    remarks = {OUTSIDE: outside, STATISTICS: dict.fromkeys(calibrated.ids, through)}
    named = by_named_suite(calibrated, chosen or loaded.suite)
    deliver(named, out, console, remarks, scaling=truth.scaling, mock=mock)
    return named[0] if len(named) == 1 else calibrated


def by_named_suite(predictions: AnyPredictions, suite: str | None) -> list[AnyPredictions]:
    """Name the suite of predicted files where their paths do, one record for each suite.

    Args:
        predictions: of files; an item is called like its (first) file.
        suite: of all of them, where that is known.
    """
    if suite is not None:
        return [replace(predictions, suite=suite)]
    if task_of(predictions) is CLASSIFICATION:
        return [predictions]
    rows: dict[str, list[int]] = {}
    for row, item in enumerate(predictions.ids):
        guessed = guess_suite(item)
        rows.setdefault(guessed.short_name if guessed else UNKNOWN_SUITE, []).append(row)
    return [replace(predictions.take(each), suite=name) for name, each in rows.items()]


def _read(trained: Trained, modality: Modality, files: Sequence[Path], suite: str | None) -> Loaded:
    """Read files as the run read its own, and refuse what its network cannot take."""
    meta, data = trained.checkpoint.meta, trained.experiment.data
    truth = stored_truth(meta)
    with wanted(files, modality.reads, f"the run {trained.folder.path}"):
        request = Request(
            suite or "",
            scaling=truth.scaling,
            classes=truth.classes,
            volume=data.volume,
            redshifts=tuple(data.redshifts),
        )
        loaded = modality.read(files, request)
    whose = f"the run {trained.folder.path}"
    notes = loaded.inputs.require_same(Inputs.stored(meta), "these files", whose)
    if dict(loaded.dataset.sizes) != meta["sizes"]:
        raise MismatchError(
            f"These files give inputs of size {dict(loaded.dataset.sizes)}, the run was trained on "
            f"{meta['sizes']}. Give files like those of the run."
        )
    require_trained_scale(loaded.dataset, meta["training_range"])
    return replace(loaded, notes=(*loaded.notes, *notes))


def _predict(
    trained: Trained, dataset: Dataset, suite: str | None, adapt_statistics: bool
) -> AnyPredictions:
    meta, items = trained.checkpoint.meta, torch.arange(len(dataset))
    network, truth = trained.network, stored_truth(trained.checkpoint.meta)
    if adapt_statistics:
        network = adapt(network, dataset, items)
    made: AnyPredictions = predict_items(
        network,
        dataset.in_domain(domain_of(suite, meta["domains"])),
        items,
        truth.answer,
        suite=suite or UNKNOWN_SUITE,
        role="other",
        split="all",
    )
    return made


def say_notes(console: Console, notes: Sequence[str]) -> None:
    """Print what qualifies predictions, one line each."""
    for note in notes:
        console.print(f"[yellow]Note:[/] {escape(note)}", highlight=False, soft_wrap=True)


def _without_novelty(trained: Trained) -> list[str]:
    """Say so where a classifier cannot tell what is unlike what it was taught."""
    if trained.folder.novelty.is_file() or not stored_truth(trained.checkpoint.meta).classes:
        return []
    return [
        f"No novelty: {trained.folder.novelty} is absent. Learn it again with: dagnn evaluate "
        f"{quote(str(trained.folder.path))}"
    ]


def _say_mock(trained: Trained, loaded: Loaded, console: Console) -> bool:
    """Say, and return, whether network or inputs come of mock data."""
    if loaded.mock:
        console.print("[bold yellow]These inputs are MOCK data.[/]")
    # A checkpoint knows the data of its own training, the run also those of what it started from.
    learned = bool(trained.checkpoint.meta["mock"] or trained.folder.read_environment()["mock"])
    if learned:
        console.print("[bold yellow]This network was trained on MOCK data.[/]")
    return learned or loaded.mock


@contextmanager
def wanted(files: Sequence[Path], reads: str, who: str) -> Iterator[None]:
    """Say of files that cannot be read because they hold something else what they hold.

    Args:
        files: what is read.
        reads: what they should be, as :mod:`dagnn.data.kinds` calls it.
        who: wants them.

    Raises:
        MismatchError: a file holds something else.
    """
    try:
        yield
    except DataError as error:
        for file in files:
            kind = kind_of(file)
            if kind not in (None, reads):
                raise MismatchError(f"{file} holds {kind}; {who} reads {reads}.") from error
        raise


def _alarms(folder: RunFolder, suite: str | None) -> list[str]:
    """Repeat the alarms of a run about the suite that is predicted."""
    intervals = stored_intervals(folder.read_environment())
    return [alarm_text(each) for each in intervals if each.alarm and each.suite == suite]


def require_replaceable(out: Path | None) -> None:
    """Refuse a file that holds something else than predictions.

    Args:
        out: where predictions shall go; None is the screen.

    Raises:
        UsageError: it does, or it cannot be a file.
    """
    if out is None or not out.exists():
        return
    if out.is_dir():
        raise UsageError(f"{out} is a folder. Give --out a file, such as {out / 'new.csv'}.")
    run = RunFolder(out.parent)
    if run.config.is_file() and out.resolve() == run.predictions.resolve():
        raise UsageError(f"{out} holds what {run.path} is measured by. {_OTHER}.")
    with out.open(encoding="utf-8-sig", errors="replace") as stream:
        start = next((line for line in stream if line.strip()), FIRST_COLUMNS)
    if not start.startswith(FIRST_COLUMNS):
        raise UsageError(f"{out} exists and does not hold predictions. {_OTHER}.")


def deliver(
    predictions: Sequence[AnyPredictions],
    out: Path | None,
    console: Console,
    remarks: Remarks,
    *,
    scaling: Scaling,
    mock: bool,
) -> None:
    """Write predictions to a CSV file, with columns of remarks, or show them.

    Args:
        predictions: what to deliver, of one suite each.
        out: CSV file; the screen if None.
        console: where to say which, and what reaches beyond the prior.
        remarks: further columns.
        scaling: names and priors of the training set; none of classes.
        mock: whether network or inputs come of mock data; every row of the file says so.
    """
    priors = Prior.within(scaling.limits)
    say_notes(console, [each.sentence() for each in beyond_prior(predictions, priors)])
    for each in predictions:
        tell_unknown(each, console)
        if out is None:
            show_predictions(each, screen(), priors)
    if out is not None:
        write_predictions(out, predictions, remarks, priors=priors, mock=mock)
        count = sum(len(each.ids) for each in predictions)
        console.print(f"{count} predictions: {out}", markup=False, highlight=False, soft_wrap=True)
