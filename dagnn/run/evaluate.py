"""Measure a finished run again, on its own suites and on others."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from dagnn.config import Experiment
from dagnn.console import log, print_line
from dagnn.data.requests import Inputs
from dagnn.errors import MissingDataError
from dagnn.models import Network
from dagnn.run.data import locate_data, read_data, require_inputs, require_present
from dagnn.run.folder import Evaluation, Note
from dagnn.run.outputs import RunResult, finish
from dagnn.run.prepared import Prepared, SuiteData, modality_of, stored_truth
from dagnn.run.ranges import alarms_of_adapted, outside_range, unlike_as_a_set
from dagnn.run.train import coverage_of, require_same_data
from dagnn.run.trained import (
    Trained,
    Training,
    apply_novelty,
    apply_scale,
    learn_novelty,
    load_network,
    predict_all,
    read_scale,
    trainings,
    unfinished,
)
from dagnn.tasks import AnyPredictions, task_of
from dagnn.training import Checkpoint


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

    Raises:
        DagnnError: the run or its data cannot be used.
    """
    console = console or log()
    trained = Trained.open(path)
    experiment = _widened(trained.experiment, suites, data)
    if data is not None:
        _require_own_suites(experiment)
    meta, folder = trained.checkpoint.meta, trained.folder
    place, others = locate_data(experiment, False, console), experiment.evaluation.suites
    whose = f"the run {folder.path}"
    experiment, prepared = read_data(
        experiment, place, console, meta, whose, others=others, truth=stored_truth(meta)
    )
    for each in prepared.suites[1:]:
        require_inputs(each, Inputs.stored(meta), whose, console)
    require_same_data(folder, prepared)
    prepared = replace(prepared, intervals=folder.read_record().intervals)
    _note(trained, prepared, adapt_statistics, console)
    predictions: list[AnyPredictions] = []
    networks: dict[str, Network] = {}
    for training in trainings(folder, experiment):
        if training.folder.checkpoints.is_dir():
            network, checkpoint = load_network(training.folder, training.experiment)
            networks[training.label] = network
            predictions += _predicted(training, network, checkpoint, prepared, adapt_statistics)
    return finish(experiment, prepared, folder, predictions, networks, console)


def _require_own_suites(experiment: Experiment) -> None:
    """Refuse a folder of further suites that does not hold the run's own as well."""
    try:
        require_present(experiment)
    except MissingDataError as error:
        own = ", ".join((*experiment.source, *experiment.target))
        raise MissingDataError(
            f"{error} --data has to hold the suites of the run ({own}) as well, which are "
            "measured beside others. To predict files alone: dagnn predict"
        ) from None


def unseen_note(name: str, checkpoint: Checkpoint, adapted: bool) -> str:
    """Return whose statistics a suite that was not trained on is seen through."""
    if adapted:
        return (
            f"{name} was not in training: its statistics were estimated from its own unlabelled "
            "inputs, in every network that is compared. That assumes parameters spread like those "
            "of training."
        )
    first = checkpoint.meta["domains"][0]
    return (
        f"{name} was not in training: it is seen through the statistics of {first}. "
        "Its own can be estimated with --adapt-statistics."
    )


def _widened(experiment: Experiment, suites: Sequence[str], data: Path | None) -> Experiment:
    """Return an experiment that looks at more suites, and where its data have moved to."""
    others = [*experiment.evaluation.suites, *suites]
    wider = experiment.evaluation.model_copy(update={"suites": others})
    moved = experiment.data.model_copy(update={"path": data or experiment.data.path})
    return experiment.model_copy(update={"evaluation": wider, "data": moved})


def _note(trained: Trained, prepared: Prepared, adapted: bool, console: Console) -> None:
    """Print, and record, what qualifies the numbers that come."""
    others, record = prepared.of_role("other"), trained.folder.read_record()
    texts = [unseen_note(suite.name, trained.checkpoint, adapted) for suite in others]
    texts += [
        f"{suite.name} has no labels: what is predicted for it is in predictions.csv, and nothing "
        "is measured."
        for suite in others
        if not _labelled(suite)
    ]
    notes = [Note(text=text) for text in (*texts, *_unlike(trained.checkpoint, prepared))]
    notes += alarms_of_adapted(trained.experiment, prepared) if adapted else []
    notes += [Note(text=text) for text in unfinished(trained.folder, trained.experiment)]
    for note in notes:
        print_line(console, str(note))
    counted = {suite.name: suite.loaded.coverage for suite in others}
    counts = [Note(text=f"{name}: {seen}") for name, seen in counted.items() if seen]
    trained.folder.write_record(
        record.updated(
            evaluation=Evaluation(mock=prepared.mock, notes=[*counts, *notes]),
            coverage=record.coverage | coverage_of(prepared),
            complete=False,
        )
    )


def _unlike(checkpoint: Checkpoint, prepared: Prepared) -> list[str]:
    """Return which suites that were not trained on are outside of what was, as a set."""
    ranges, spread = checkpoint.meta["training_range"], checkpoint.meta.get("training_spread", {})
    notes = []
    for suite in prepared.of_role("other"):
        dataset = suite.loaded.dataset
        outside = outside_range(dataset, ranges, spread)
        notes += [f"{suite.name}: {text}" for text in unlike_as_a_set(dataset, outside, spread)]
    return notes


def _labelled(suite: SuiteData) -> bool:
    """Whether any item of a suite has a truth."""
    truth = suite.loaded.dataset.y
    return bool((truth.isfinite() if truth.is_floating_point() else truth >= 0).any())


def _predicted(
    training: Training,
    network: Network,
    checkpoint: Checkpoint,
    prepared: Prepared,
    adapt_statistics: bool,
) -> list[AnyPredictions]:
    """Predict with one network of a run, and calibrate as when it was trained."""
    meta = checkpoint.meta
    raw = predict_all(
        network,
        prepared,
        training.label,
        meta["domains"],
        adapt_statistics=adapt_statistics,
        transductive=training.transductive,
    )
    name = modality_of(training.experiment).name
    labelled = [name(suite) for suite in meta["experiment"]["source"]]
    scale = read_scale(training.folder, task_of(prepared.truth.answer))
    own = training.own(prepared)
    novelty = learn_novelty(training.folder, network, own, meta["domains"])
    return apply_scale(scale, apply_novelty(novelty, raw), labelled)
