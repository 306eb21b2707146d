"""Train an experiment, evaluate it on every suite, and write the run directory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from dagnn.config import Experiment
from dagnn.console import log, print_line
from dagnn.environment import collect_environment
from dagnn.errors import CheckpointError, DagnnError, Interrupted
from dagnn.evaluation.measure import MODEL, ORACLE, SOURCE_ONLY
from dagnn.evaluation.storage import read_results
from dagnn.files import write_text
from dagnn.models import Network
from dagnn.report.history import read_epochs
from dagnn.run.assemble import check, choose_device, on_this_machine
from dagnn.run.calibrate import calibrated
from dagnn.run.data import locate_data, read_data
from dagnn.run.fitting import (
    ADJUSTABLE,
    fit_network,
    inherited_notes,
    is_trained,
    load_initial,
    require_same_classes,
    stored_meta,
)
from dagnn.run.folder import NOT_EVALUATED, Note, RunFolder, RunRecord, require_free
from dagnn.run.outputs import RunResult, finish, stored_predictions, title
from dagnn.run.prepared import Prepared, SuiteData, stored_truth
from dagnn.run.ranges import alarm_text, guarded
from dagnn.run.trained import apply_novelty, apply_scale, learn_novelty, predict_all, trainings
from dagnn.tasks import AnyPredictions
from dagnn.training import Checkpoint, legend

LABELS = {
    MODEL: "the model",
    SOURCE_ONLY: "the comparison without adaptation (source-only)",
    ORACLE: "the ORACLE, on target labels",
}
"""What progress calls each training of a run."""


def train(
    experiment: Experiment,
    *,
    out: Path | None = None,
    mock: bool = False,
    console: Console | None = None,
) -> RunResult:
    """Train, evaluate and write the run directory.

    Args:
        experiment: what to run.
        out: run directory; ``runs/NAME`` if None.
        mock: use mocks even where there are data.
        console: where progress goes; standard error if None.

    Raises:
        DagnnError: the experiment, the data or the run cannot be used.
    """
    console = console or log()
    check(experiment)
    require_free(out)  # before minutes are spent on data
    initial = load_initial(experiment)
    console.print(
        f"{experiment.name}: {title(experiment)}, seed {experiment.seed}",
        markup=False,
        highlight=False,
    )
    place = locate_data(experiment, mock, console)
    experiment, prepared = read_data(
        experiment,
        place,
        console,
        initial.meta if initial else None,
        f"the run {experiment.init_from}",
        others=experiment.evaluation.suites,
        adjustable=ADJUSTABLE,
    )
    prepared = guarded(experiment, prepared, console)
    folder = RunFolder.create(out, experiment.name)
    stored = experiment.data.model_copy(update={"path": place.absolute()})
    experiment = experiment.model_copy(update={"data": stored})
    write_text(folder.config, experiment.to_yaml())
    targets = [suite.name for suite in prepared.of_role("target")]
    folder.write_record(run_record(experiment, prepared, inherited_notes(initial, targets)))
    return _run(experiment, prepared, folder, initial, console)


def resume(path: Path, *, console: Console | None = None) -> RunResult:
    """Continue a run from its last checkpoint, as if it had never stopped.

    A run that is finished is left as it is: nothing is read but its results.

    Args:
        path: run directory.
        console: where progress goes; standard error if None.

    Raises:
        DagnnError: there is no such run, or its data have changed.
    """
    console = console or log()
    folder = RunFolder.open(path)
    if not is_complete(folder):
        return _train_on(folder, console)
    print_line(console, _nothing_to_do(folder))
    predictions = stored_predictions(folder)
    results = read_results(folder.results)
    return RunResult(path, results, predictions, folder.read_record().any_mock)


def is_complete(folder: RunFolder) -> bool:
    """Whether everything that a run trains is trained, calibrated, and was measured after that.

    Existing results are no proof: an interrupted run can be evaluated as far as it is.
    """
    if not folder.is_finished():
        return False
    complete, asked = folder.read_record().complete, trainings(folder, folder.read_experiment())
    if complete is False or not all(is_trained(each.folder, each.experiment) for each in asked):
        return False
    # Older runs did not record it: what they measured is newer than what they trained.
    made = [each.folder.checkpoints / "last.pt" for each in asked]
    made += [file for each in asked for file in (each.folder.calibration, each.folder.novelty)]
    shown = (folder.results, folder.predictions, folder.report, folder.model_card)
    times = [file.stat().st_mtime_ns for file in made if file.is_file()]
    return bool(complete) or max(times) <= min(file.stat().st_mtime_ns for file in shown)


def _train_on(folder: RunFolder, console: Console) -> RunResult:
    """Train what is not trained yet of a run, and measure it."""
    experiment = _moved_here(folder.read_experiment(), console)
    check(experiment)
    place = locate_data(experiment, False, console)
    initial, stored = load_initial(experiment), stored_meta(folder)
    # Without a checkpoint of its own yet, a run goes on from what it started from.
    meta = stored or (initial.meta if initial else None)
    whose = f"the run {folder.path if stored else experiment.init_from}"
    experiment, prepared = read_data(
        experiment,
        place,
        console,
        meta,
        whose,
        others=experiment.evaluation.suites,
        adjustable=ADJUSTABLE if stored is None else (),
        truth=stored_truth(stored) if stored else None,
    )
    require_same_data(folder, prepared)
    # What an evaluation half way noted holds no longer.
    record = folder.read_record().updated(evaluation=NOT_EVALUATED, complete=False)
    folder.write_record(record)
    prepared = replace(prepared, intervals=record.intervals)
    return _run(experiment, prepared, folder, initial, console)


def _moved_here(stored: Experiment, console: Console) -> Experiment:
    """Return the experiment of a run, and print where it goes on on another device."""
    experiment = on_this_machine(stored)
    if experiment != stored:
        there = choose_device(experiment.training.device)
        print_line(
            console,
            f"Note: the device of this run, {stored.training.device}, is not here; it goes on on "
            f"{there}.",
        )
    return experiment


def _run(
    experiment: Experiment,
    prepared: Prepared,
    folder: RunFolder,
    initial: Checkpoint | None,
    console: Console,
) -> RunResult:
    """Train what is not trained, and measure; errors hold the command that goes on."""
    go_on = f"dagnn train --resume {quote(str(folder.path))}"
    try:
        return _train_and_measure(experiment, prepared, folder, initial, console)
    except KeyboardInterrupt as interruption:
        raise Interrupted(f"Interrupted. Continue with: {go_on}") from interruption
    except OSError as error:
        if error.filename is None:  # standard output, not a file of the run
            raise
        raise DagnnError(
            f"{error.strerror}: {error.filename}. What was written before is kept. Make room, or "
            f"put right what is wrong there, then continue with: {go_on}"
        ) from error


def _train_and_measure(
    experiment: Experiment,
    prepared: Prepared,
    folder: RunFolder,
    initial: Checkpoint | None,
    console: Console,
) -> RunResult:
    if initial is not None:
        require_same_classes(experiment, initial, prepared)
    predictions: list[AnyPredictions] = []
    networks: dict[str, Network] = {}
    explained = legend(console.is_terminal, bool(prepared.truth.classes))
    console.print(explained, markup=False, highlight=False, soft_wrap=not console.is_terminal)
    for training in trainings(folder, experiment):
        own, label = training.own(prepared), training.label
        network = fit_network(
            training.experiment,
            own,
            training.folder,
            console,
            initial=initial,
            label=LABELS[label],
            title=label,
            root=folder.path,
        )
        raw = predict_all(network, prepared, label, own.trained, transductive=training.transductive)
        scale = calibrated(training, own, network, initial, console, folder.path)
        novelty = learn_novelty(training.folder, network, own, own.trained)
        labelled = [suite.name for suite in own.of_role("source")]
        predictions += apply_scale(scale, apply_novelty(novelty, raw), labelled)
        networks[label] = network
    return finish(experiment, prepared, folder, predictions, networks, console)


def _nothing_to_do(folder: RunFolder) -> str:
    epochs, path = len(read_epochs(folder.metrics)), folder.path
    quoted = quote(str(path))
    return (
        f"{path} is finished: trained for {epochs} epochs and measured. Nothing is left to "
        "resume.\n"
        f"Measure it again, also on other suites: dagnn evaluate {quoted}\n"
        f"Draw its report again:                  dagnn report {quoted}\n"
        f"Train on, as a new run:                 dagnn train --config {quote(str(folder.config))} "
        f"--init-from {quoted}\n"
        f"Report: {folder.report}"
    )


def run_record(
    experiment: Experiment, prepared: Prepared, inherited: Sequence[Note] = ()
) -> RunRecord:
    """Collect what a run records about itself: versions, command, data, and what qualifies it.

    Args:
        experiment: what is run.
        prepared: its data.
        inherited: what the weights that training starts from have seen.
    """
    suites, members = prepared.suites, experiment.model.members
    environment = collect_environment(
        seed=experiment.seed,
        device=str(choose_device(experiment.training.device)),
        data={suite.name: suite.loaded.fingerprint for suite in suites},
    )
    encoder = experiment.model.encoder.name
    article = "an" if encoder[0] in "aeiou" else "a"
    what = article if members == 1 else f"a deep ensemble of {members} networks, each {article}"
    terms = ", ".join(f"{key} (weight {t.weight:g})" for key, t in experiment.loss.terms.items())
    return RunRecord(
        **environment,
        mock=prepared.mock or any(note.kind == "MOCK" for note in inherited),
        evaluation=NOT_EVALUATED,
        notes=[*inherited, *_notes(experiment, prepared)],
        prior_intervals={
            f"{each.suite}, {each.parameter}": (each.low, each.high, each.limit)
            for each in prepared.intervals
        },
        training_items={f"{suite.role} {suite.name}": _items_of(suite) for suite in suites},
        coverage=coverage_of(prepared),
        priors=prepared.scaling.limits,
        inputs=suites[0].loaded.dataset.describe(),
        classes=list(prepared.truth.classes),
        members=members,
        description=f"{what.capitalize()} {encoder} encoder with {experiment.loss.task.name} loss; "
        f"domain terms: {terms or 'none'}.",
        complete=False,
    )


def coverage_of(prepared: Prepared) -> dict[str, Any]:
    """Return by suite how many of its items were found and used, and why others were not."""
    found = {suite.name: suite.loaded.coverage for suite in prepared.suites}
    return {name: coverage.to_dict() for name, coverage in found.items() if coverage is not None}


def _items_of(suite: SuiteData) -> str:
    """Return how many items each split of a suite has, and how many there are."""
    parts = ", ".join(f"{len(rows)} {part}" for part, rows in suite.parts().items())
    coverage = suite.loaded.coverage
    return parts if coverage is None else f"{parts}; {coverage}"


def _notes(experiment: Experiment, prepared: Prepared) -> Iterator[Note]:
    """Give what a reader of the results must know."""
    for suite in prepared.suites:
        for note in suite.loaded.notes:
            yield Note(text=f"{suite.name}: {note}")
    for name, (low, high) in experiment.data.target_prior.items():
        text = f"targets were restricted to {name} between {low:g} and {high:g}, by their labels."
        yield Note(kind="STRESS TEST", text=text)
    if experiment.evaluation.transductive and experiment.target:
        yield Note(
            text="Targets are measured on all of their items (split all), also on those that "
            "training has seen, without labels."
        )
    if experiment.loss.task.options.get("weights") == "balanced":
        yield Note(
            text="The loss was balanced: probabilities are those of equally frequent classes, "
            "whatever their frequencies in the source."
        )
    for interval in prepared.intervals:
        if interval.alarm:
            yield Note(kind="ALARM", text=alarm_text(interval))


def require_same_data(folder: RunFolder, prepared: Prepared) -> None:
    """Refuse to continue on other data than the run began with."""
    before = folder.read_record().data
    for suite in prepared.suites:
        if suite.split is not None and before.get(suite.name) != suite.loaded.fingerprint:
            raise CheckpointError(
                f"The data of {suite.name} in {prepared.folder} are not those that {folder.path} "
                "was trained with. Restore them, or start a new run."
            )
