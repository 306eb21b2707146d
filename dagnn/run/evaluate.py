"""Measure a finished run again, on its own suites and on others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from dagnn.config import Experiment
from dagnn.console import log
from dagnn.data.requests import Inputs
from dagnn.errors import MissingDataError
from dagnn.evaluation.measure import MODEL, ORACLE, SOURCE_ONLY
from dagnn.models import Network
from dagnn.run.calibrate import apply_scale, on_target_labels, read_scale
from dagnn.run.data import (
    locate_data,
    prepare,
    require_inputs,
    require_present,
    with_shared_options,
)
from dagnn.run.facts import coverage_of, require_same_data
from dagnn.run.folder import RunFolder
from dagnn.run.prepared import Prepared, SuiteData, modality_of, stored_truth
from dagnn.run.ranges import alarms_of_adapted, outside_range, stored_intervals, unlike_as_a_set
from dagnn.run.train import RunResult, finish
from dagnn.run.trained import (
    Trained,
    apply_novelty,
    learn_familiar,
    load_network,
    predict_all,
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
    inputs = Inputs.stored(meta)
    experiment = with_shared_options(experiment, place, others, inputs)
    prepared = prepare(
        experiment,
        place,
        console,
        others=others,
        splits=meta["splits"],
        truth=stored_truth(meta),
    )
    for each in prepared.suites:
        require_inputs(each, inputs, f"the run {folder.path}", console)
    require_same_data(folder, prepared)
    prepared = replace(prepared, intervals=stored_intervals(folder.read_environment()))
    _note(trained, prepared, adapt_statistics, console)
    predictions: list[AnyPredictions] = []
    networks: dict[str, Network] = {}
    for member in _members(folder, experiment):
        networks[member.label] = member.network
        predictions += _predicted(member, experiment, prepared, adapt_statistics)
    return finish(experiment, prepared, folder, predictions, networks, console)


def _require_own_suites(experiment: Experiment) -> None:
    """Say of a folder that was named for further suites that it must hold the run's own, too."""
    try:
        require_present(experiment)
    except MissingDataError as error:
        own = ", ".join((*experiment.source, *experiment.target))
        raise MissingDataError(
            f"{error} --data has to hold the suites of the run ({own}) as well, which are "
            "measured beside others. To predict files alone: dagnn predict"
        ) from None


def unseen_note(name: str, checkpoint: Checkpoint, adapted: bool) -> str:
    """Say whose statistics a suite that was not trained on is seen through."""
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
    """Say, and store, what qualifies the numbers that come."""
    unseen = [suite.name for suite in prepared.of_role("other")]
    notes = [unseen_note(name, trained.checkpoint, adapted) for name in unseen]
    notes += [
        f"{suite.name} has no labels: what is predicted for it is in predictions.csv, and nothing "
        "is measured."
        for suite in prepared.of_role("other")
        if not _labelled(suite)
    ]
    counted = {suite.name: suite.loaded.coverage for suite in prepared.of_role("other")}
    counts = [f"{name}: {coverage}" for name, coverage in counted.items() if coverage]
    notes += _unlike(trained.checkpoint, prepared)
    notes += alarms_of_adapted(trained.experiment, prepared) if adapted else []
    notes += unfinished(trained.folder, trained.experiment)
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    before = trained.folder.read_environment()
    facts = before | {
        "evaluation": {"mock": prepared.mock, "notes": [*counts, *notes]},
        "coverage": before.get("coverage", {}) | coverage_of(prepared),
    }
    trained.folder.write_environment(facts)


def _unlike(checkpoint: Checkpoint, prepared: Prepared) -> list[str]:
    """Say which suites that were not trained on are outside of what was, as a set."""
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


@dataclass(frozen=True)
class _Member:
    """One of the networks of a run: its own, or one that it is compared with."""

    folder: RunFolder
    label: str
    network: Network
    checkpoint: Checkpoint


def _members(folder: RunFolder, experiment: Experiment) -> Iterator[_Member]:
    """Load every network that a run has trained."""
    for inner, label, asked in (
        (folder.source_only, SOURCE_ONLY, experiment.without_adaptation()),
        (folder, MODEL, experiment),
        (folder.oracle, ORACLE, experiment.on_target_labels()),
    ):
        if inner.checkpoints.is_dir():
            yield _Member(inner, label, *load_network(inner, asked))


def _predicted(
    member: _Member, experiment: Experiment, prepared: Prepared, adapt_statistics: bool
) -> list[AnyPredictions]:
    """Predict with one network, and calibrate as when it was trained."""
    meta = member.checkpoint.meta
    raw = predict_all(
        member.network,
        prepared,
        member.label,
        meta["domains"],
        adapt_statistics=adapt_statistics,
        # The oracle has learned the labels of training items: only others measure it.
        transductive=experiment.evaluation.transductive and member.label != ORACLE,
    )
    modality = modality_of(experiment)
    labelled = [modality.name(name) for name in meta["experiment"]["source"]]
    scale = read_scale(member.folder, task_of(prepared.truth.answer))
    taught = on_target_labels(prepared) if member.label == ORACLE else prepared
    familiar = learn_familiar(member.folder, member.network, taught, meta["domains"])
    return apply_scale(scale, apply_novelty(familiar, raw), labelled)
