"""Use a finished run: evaluate it again, predict new files, redraw its report."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape

from dagnn.config import Experiment, build
from dagnn.data.kinds import kind_of
from dagnn.data.modalities import MODALITIES
from dagnn.errors import CheckpointError, DataError, MismatchError, UsageError, nearest
from dagnn.evaluation.storage import NO_REMARKS, Remarks, read_results
from dagnn.evaluation.table import MODEL, ORACLE, SOURCE_ONLY
from dagnn.models import Network
from dagnn.records import Dataset
from dagnn.run.answers import Answers, AnyPredictions, answers_of
from dagnn.run.assemble import choose_device, make_network
from dagnn.run.calibrate import apply_scale, read_scale
from dagnn.run.data import locate_data, prepare, stored_truth
from dagnn.run.facts import require_same_data
from dagnn.run.folder import RunFolder
from dagnn.run.guard import alarm_text, stored_intervals
from dagnn.run.outputs import show_table, stamped, with_latents, write_pages
from dagnn.run.predictions import adapt, predict_all
from dagnn.run.train import RunResult, finish
from dagnn.training import Checkpoint, load_checkpoint, load_weights

WARNINGS_SHOWN = 10
OUTSIDE = "outside_training_range"
"""Column of a file of predictions: what of an input training has not seen; empty if nothing."""


def load_network(folder: RunFolder, experiment: Experiment) -> tuple[Network, Checkpoint]:
    """Load the selected network of a run onto the device that its configuration names.

    Raises:
        CheckpointError: the run has no usable checkpoint yet.
    """
    best = folder.checkpoints / "best.pt"
    if not best.is_file():
        raise CheckpointError(
            f"{folder.path} has no trained network yet. Finish it with: "
            f"dagnn train --resume {folder.path}"
        )
    checkpoint = load_checkpoint(best)
    meta = checkpoint.meta
    absent = {"sizes", "domains", "statistics", "scaling", "splits"} - meta.keys()
    if absent:
        raise CheckpointError(f"{best} lacks {', '.join(sorted(absent))}. Train again.")
    network = make_network(experiment, meta["sizes"], meta["statistics"], stored_truth(meta))
    load_weights(network, checkpoint.network)
    return network.to(choose_device(experiment.training.device)), checkpoint


def evaluate(
    path: Path,
    *,
    suites: Sequence[str] = (),
    data: Path | None = None,
    adapt_statistics: bool = False,
    console: Console | None = None,
) -> RunResult:
    """Measure a finished run again, on its own suites and on others.

    Args:
        path: run directory.
        suites: further suites; all of their boxes are held out.
        data: data folder, if it has moved.
        adapt_statistics: estimate the statistics of unseen suites from their unlabelled
            inputs; otherwise those of the first source are used.
        console: where progress goes; standard error if None.
    """
    console = console or Console(stderr=True)
    folder = RunFolder.open(path)
    experiment = folder.read_experiment()
    _, checkpoint = load_network(folder, experiment)
    modality = build(MODALITIES, experiment.data, "data")
    others = [*experiment.evaluation.suites, *suites]
    wider = experiment.evaluation.model_copy(update={"suites": others})
    moved = experiment.data.model_copy(update={"path": data or experiment.data.path})
    experiment = experiment.model_copy(update={"evaluation": wider, "data": moved})
    place = locate_data(experiment, False, console)
    prepared = prepare(
        experiment,
        place,
        console,
        others=others,
        splits=checkpoint.meta["splits"],
        truth=stored_truth(checkpoint.meta),
    )
    require_same_data(folder, prepared)
    notes = [unseen_note(s.name, checkpoint, adapt_statistics) for s in prepared.of_role("other")]
    notes += unfinished(folder, experiment)
    prepared = replace(prepared, intervals=stored_intervals(folder.read_environment()))
    for note in notes:
        console.print(note, highlight=False, soft_wrap=True)
    evaluation = {"mock": prepared.mock, "notes": notes}
    folder.write_environment(folder.read_environment() | {"evaluation": evaluation})
    predictions: list[AnyPredictions] = []
    networks: dict[str, Network] = {}
    for inner, label, asked in (
        (folder.source_only, SOURCE_ONLY, experiment.without_adaptation()),
        (folder, MODEL, experiment),
        (folder.oracle, ORACLE, experiment.on_target_labels()),
    ):
        if not inner.checkpoints.is_dir():
            continue
        known, stored = load_network(inner, asked)
        together = experiment.evaluation.transductive and label != ORACLE
        raw = predict_all(
            known,
            prepared,
            label,
            stored.meta["domains"],
            adapt_statistics=adapt_statistics,
            transductive=together,
        )
        networks[label] = known
        sources = stored.meta["experiment"]["source"]
        labelled = [modality.name(name) for name in sources]
        predictions += apply_scale(
            read_scale(inner, answers_of(prepared.truth.classes)), raw, labelled
        )
    return finish(experiment, prepared, folder, predictions, networks, console)


def unfinished(folder: RunFolder, experiment: Experiment) -> list[str]:
    """Say so where a run is evaluated before its training has ended."""
    epoch, planned = load_checkpoint(folder.checkpoints / "last.pt").epoch, experiment.training
    notes = []
    if epoch < planned.epochs and planned.patience is None:
        notes.append(f"Training was stopped after {epoch} of {planned.epochs} epochs.")
    return notes + uncalibrated(folder, experiment)


def uncalibrated(folder: RunFolder, experiment: Experiment) -> list[str]:
    """Say so where answers should be calibrated and are not."""
    if experiment.calibration.variance == "none" or folder.calibration.is_file():
        return []
    return [
        f"Not calibrated: {folder.calibration} is absent. How sure the network says it is, is "
        f"uncorrected. Finish the run with: dagnn train --resume {folder.path}"
    ]


def unseen_note(name: str, checkpoint: Checkpoint, adapted: bool) -> str:
    """Say whose statistics a suite that was not trained on is seen through."""
    if adapted:
        return (
            f"{name} was not in training: its statistics were estimated from its own unlabelled "
            "inputs, which assumes parameters spread like those of training."
        )
    first = checkpoint.meta["domains"][0]
    return (
        f"{name} was not in training: it is seen through the statistics of {first}. "
        "Its own can be estimated with --adapt-statistics."
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
            lies outside the range of training (empty where nothing does), and whether
            network or inputs come of mock data.
        console: where warnings go; standard error if None.
    """
    console = console or Console(stderr=True)
    folder = RunFolder.open(path)
    experiment = folder.read_experiment()
    network, checkpoint = load_network(folder, experiment)
    modality = build(MODALITIES, experiment.data, "data")
    truth = stored_truth(checkpoint.meta)
    scaling = truth.scaling
    with wanted(files, modality.reads, f"the run {path}"):
        loaded = modality.read(
            files, scaling, experiment.data.redshifts, experiment.data.volume, truth.classes
        )
    if dict(loaded.dataset.sizes) != checkpoint.meta["sizes"]:
        raise MismatchError(
            f"These files give inputs of size {dict(loaded.dataset.sizes)}, the run was trained on "
            f"{checkpoint.meta['sizes']}. Give files like those of the run."
        )
    for note in loaded.notes:
        console.print(f"[yellow]Note:[/] {escape(note)}", highlight=False, soft_wrap=True)
    if loaded.mock:
        console.print("[bold yellow]These inputs are MOCK data.[/]")
    if suite is not None:
        suite = modality.name(suite)
        if adapt_statistics:
            raise UsageError(
                "--suite names the statistics to use and --adapt-statistics estimates others. Give "
                "one of them."
            )
    suite = choose_suite(suite, loaded.suite, checkpoint, adapt_statistics, console)
    told = [*uncalibrated(folder, experiment), *_alarms(folder, suite)]
    for text in told:
        console.print(f"[yellow]Note:[/] {escape(text)}", highlight=False, soft_wrap=True)
    outside = outside_range(loaded.dataset, checkpoint.meta["training_range"])
    warn_outside(outside, console)
    # A checkpoint knows the data of its own training, the run also those of what it started from.
    mock = bool(checkpoint.meta["mock"] or folder.read_environment()["mock"])
    if mock:
        console.print("[bold yellow]This network was trained on MOCK data.[/]")
    items = torch.arange(len(loaded.dataset))
    if adapt_statistics:
        network = adapt(network, loaded.dataset, items)
    answers = answers_of(truth.classes)
    predictions = answers.predict(
        network,
        loaded.dataset,
        items,
        truth,
        suite=suite or "unknown",
        role="other",
        split="all",
        domain=_domain_of(suite, checkpoint.meta["domains"]),
    )
    labelled = [modality.name(name) for name in experiment.source]
    calibrated: AnyPredictions
    (calibrated,) = apply_scale(read_scale(folder, answers), [predictions], labelled)
    deliver(answers, calibrated, out, console, {OUTSIDE: outside}, mock=mock or loaded.mock)
    return calibrated


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
    console.print(
        f"Seen through the statistics of {chosen or domains[0]}"
        + (", which the paths name." if chosen else ": the paths name no suite of the run.")
        + f" Others: --suite {' or '.join(domains)}, or --adapt-statistics.",
        highlight=False,
        soft_wrap=True,
    )
    return chosen


def _domain_of(suite: str | None, domains: Sequence[str]) -> int:
    if suite is None:
        return 0
    if suite not in domains:
        raise UsageError(f"The run was not trained on {suite}. {nearest(suite, domains)}")
    return list(domains).index(suite)


def _alarms(folder: RunFolder, suite: str | None) -> list[str]:
    """Repeat the alarms of a run about the suite that is predicted."""
    intervals = stored_intervals(folder.read_environment())
    return [alarm_text(each) for each in intervals if each.alarm and each.suite == suite]


def report(path: Path, *, console: Console | None = None) -> Path:
    """Write the report of a run again from its stored results."""
    console = console or Console(stderr=True)
    folder = RunFolder.open(path)
    experiment = folder.read_experiment()
    results = read_results(folder.results)
    answers = answers_of(folder.read_environment().get("classes", ()))
    predictions = with_latents(folder, answers.read(folder.predictions))
    page = write_pages(folder, experiment, predictions, results)
    show_table(experiment, results, stamped(folder.read_environment()))
    console.print(f"Report: {page}", highlight=False, soft_wrap=True)
    return page


def outside_range(dataset: Dataset, ranges: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """Return what of each input lies outside of what the network was trained on.

    Returns:
        Item → what it is and what training had; only items that have any such thing.
    """
    outside: dict[int, list[str]] = {}
    for name, values in dataset.summaries().items():
        low, high = ranges[name]
        for item in torch.nonzero((values < low) | (values > high)).flatten().tolist():
            seen = f"{name} is {float(values[item]):.4g} (training: {low:.4g} to {high:.4g})"
            outside.setdefault(item, []).append(seen)
    return {dataset.ids[item]: "; ".join(outside[item]) for item in sorted(outside)}


def warn_outside(outside: Mapping[str, str], console: Console) -> None:
    """Say which inputs lie outside what the network was trained on, one line each."""
    for item, seen in list(outside.items())[:WARNINGS_SHOWN]:
        text = f"{item} is outside the training range: {seen}"
        console.print(f"[yellow]Warning:[/] {escape(text)}", highlight=False, soft_wrap=True)
    if len(outside) > WARNINGS_SHOWN:
        console.print(f"... and {len(outside) - WARNINGS_SHOWN} more inputs.", highlight=False)
    if outside:
        console.print("Do not trust the error bars of these inputs.")


def deliver(
    answers: Answers,
    predictions: AnyPredictions,
    out: Path | None,
    console: Console,
    remarks: Remarks = NO_REMARKS,
    *,
    mock: bool,
) -> None:
    """Write predictions to a CSV file, with columns of remarks, or show them.

    Args:
        answers: parameters or classes.
        predictions: what to deliver.
        out: CSV file; the screen if None.
        console: where to say which.
        remarks: further columns.
        mock: whether network or inputs come of mock data; every row of the file says so.
    """
    if out is None:
        answers.show(predictions, Console())
        return
    answers.write(out, [predictions], remarks, mock=mock)
    console.print(f"{len(predictions.ids)} predictions: {out}", highlight=False)
