"""Train an experiment, evaluate it on every suite, and write the run directory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from rich.console import Console

from dagnn.config import Experiment
from dagnn.console import busy, log
from dagnn.data.requests import Inputs
from dagnn.errors import DagnnError, Interrupted
from dagnn.evaluation.measure import DRAWN, MODEL, ORACLE, SOURCE_ONLY
from dagnn.evaluation.storage import read_predictions, read_results
from dagnn.files import write_text
from dagnn.models import Network
from dagnn.records import Result
from dagnn.report.history import read_epochs
from dagnn.robustness.examine import write_examination
from dagnn.run.assemble import check, choose_device, on_this_machine
from dagnn.run.baselines import baseline_predictions, guesses, measure
from dagnn.run.calibrate import Plan, apply_scale, calibrated, on_target_labels
from dagnn.run.data import locate_data, prepare, require_inputs, with_shared_options
from dagnn.run.facts import require_same_data, run_facts
from dagnn.run.fitting import fit_network, has_ended
from dagnn.run.folder import RunFolder, require_free
from dagnn.run.initial import (
    inherited_notes,
    load_initial,
    require_same_classes,
    require_same_inputs,
    stored_meta,
)
from dagnn.run.outputs import stamped, tell_results, title, with_latents, write_pages, write_tables
from dagnn.run.prepared import Prepared, stored_truth
from dagnn.run.ranges import guarded, stored_intervals
from dagnn.run.robustness import examine_networks
from dagnn.run.trained import apply_novelty, learn_familiar, predict_all
from dagnn.tasks import AnyPredictions
from dagnn.tasks.prior import Prior
from dagnn.training import Checkpoint, legend

TOLD = {
    MODEL: "the model",
    SOURCE_ONLY: "the comparison without adaptation (source-only)",
    ORACLE: "the ORACLE, on target labels",
}
"""What progress calls each training of a run."""


@dataclass(frozen=True)
class RunResult:
    """What a run came to.

    Attributes:
        folder: the run directory.
        results: one row per suite, split, parameter, metric and model.
        predictions: per model, suite and split.
        mock: whether any of the data are synthetic.
    """

    folder: Path
    results: list[Result]
    predictions: list[AnyPredictions]
    mock: bool


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
    others = experiment.evaluation.suites
    splits = initial.meta["splits"] if initial else None
    begun = Inputs.stored(initial.meta if initial else {})
    experiment = with_shared_options(experiment, place, others, begun)
    prepared = prepare(experiment, place, console, others=others, splits=splits)
    require_same_inputs(experiment, initial, prepared, console)
    prepared = guarded(experiment, prepared, console)
    folder = RunFolder.create(out, experiment.name)
    stored = experiment.data.model_copy(update={"path": place.absolute()})
    experiment = experiment.model_copy(update={"data": stored})
    write_text(folder.config, experiment.to_yaml())
    targets = [suite.name for suite in prepared.of_role("target")]
    folder.write_environment(run_facts(experiment, prepared, inherited_notes(initial, targets)))
    return _run(experiment, prepared, folder, initial, console)


def _train_on(path: Path, console: Console) -> RunResult:
    folder = RunFolder.open(path)
    experiment = _moved_here(folder.read_experiment(), console)
    check(experiment)
    place = locate_data(experiment, False, console)
    initial, stored = load_initial(experiment), stored_meta(folder)
    before = stored or (initial.meta if initial else None)
    others = experiment.evaluation.suites
    inputs = Inputs.stored(stored or {})
    experiment = with_shared_options(experiment, place, others, inputs)
    prepared = prepare(
        experiment,
        place,
        console,
        others=others,
        splits=before["splits"] if before else None,
        truth=stored_truth(stored) if stored else None,
    )
    if stored is not None:
        require_inputs(prepared.suites[0], inputs, f"the run {path}", console)
    require_same_data(folder, prepared)
    prepared = replace(prepared, intervals=stored_intervals(folder.read_environment()))
    return _run(experiment, prepared, folder, initial, console)


def _moved_here(stored: Experiment, console: Console) -> Experiment:
    """Return the experiment of a run, and say so where it goes on on another device."""
    experiment = on_this_machine(stored)
    if experiment != stored:
        console.print(
            f"Note: the device of this run, {stored.training.device}, is not here; it goes on on "
            f"{choose_device(experiment.training.device)}.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return experiment


def _run(
    experiment: Experiment,
    prepared: Prepared,
    folder: RunFolder,
    initial: Checkpoint | None,
    console: Console,
) -> RunResult:
    """Train what is not trained, and measure; say how to go on after Ctrl-C or on a full disk."""
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
    for plan in _plans(experiment, prepared, folder):
        network = fit_network(
            plan.experiment,
            plan.prepared,
            plan.folder,
            console,
            initial=initial,
            label=TOLD[plan.label],
            title=plan.label,
            root=folder.path,
        )
        # The oracle has learned the labels of training items: only others measure it.
        together = experiment.evaluation.transductive and plan.label != ORACLE
        raw = predict_all(network, prepared, plan.label, plan.known, transductive=together)
        scale = calibrated(plan, network, initial, console, folder.path)
        familiar = learn_familiar(plan.folder, network, plan.prepared, plan.known)
        predictions += apply_scale(scale, apply_novelty(familiar, raw), plan.labelled)
        networks[plan.label] = network
    return finish(experiment, prepared, folder, predictions, networks, console)


def _plans(experiment: Experiment, prepared: Prepared, folder: RunFolder) -> list[Plan]:
    plans = [Plan(experiment, prepared, folder, MODEL)]
    asked = experiment.evaluation
    if asked.compare_source_only:
        alone = experiment.without_adaptation()
        plans.insert(0, Plan(alone, prepared, folder.source_only, SOURCE_ONLY))
    if asked.compare_oracle and experiment.target:
        oracle = experiment.on_target_labels()
        plans.append(Plan(oracle, on_target_labels(prepared), folder.oracle, ORACLE))
    return plans


def finish(
    experiment: Experiment,
    prepared: Prepared,
    folder: RunFolder,
    predictions: list[AnyPredictions],
    networks: Mapping[str, Network],
    console: Console,
) -> RunResult:
    """Measure predictions, examine networks, write every output and print the table."""
    predictions = [*baseline_predictions(experiment, prepared), *predictions]
    predictions = [*guesses(experiment, prepared, predictions), *predictions]
    results = measure(experiment, prepared, predictions)
    mock = stamped(folder.read_environment())
    priors = Prior.within(prepared.scaling.limits)
    write_tables(folder, predictions, results, priors=priors, mock=mock)
    drawn = {name: network for name, network in networks.items() if name in DRAWN}
    with busy(console, "Measuring and examining the networks"):
        classes = prepared.truth.classes
        found = examine_networks(experiment, prepared, drawn) if classes else None
    if found is not None:
        write_examination(folder.path, found, mock=mock)
    with busy(console, "Drawing the report"):
        report = write_pages(folder, experiment, predictions, results)
    tell_results(folder, experiment, predictions, results, report, console)
    return RunResult(folder.path, results, predictions, mock)


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
        _forget_evaluation(folder)
        return _train_on(path, console)
    console.print(_nothing_to_do(folder), markup=False, highlight=False, soft_wrap=True)
    predictions = with_latents(folder, read_predictions(folder.predictions))
    mock = stamped(folder.read_environment())
    return RunResult(path, read_results(folder.results), predictions, mock)


def _forget_evaluation(folder: RunFolder) -> None:
    """Drop what an evaluation half way said of the state that it saw."""
    if folder.environment.is_file():
        facts = folder.read_environment()
        folder.write_environment(facts | {"evaluation": {"mock": False, "notes": []}})


def is_complete(folder: RunFolder) -> bool:
    """Whether every network of a run is trained, calibrated, and was measured after that.

    That results exist does not tell: an interrupted run can be evaluated as far as it is. Nor
    do new results: the report is drawn minutes after them, and until then an old one may lie there.
    """
    if not folder.is_finished():
        return False
    trainings = list(_trainings(folder, folder.read_experiment()))
    if not all(_is_trained(part, asked) for part, asked in trainings):
        return False
    made = [part.checkpoints / "last.pt" for part, _ in trainings]
    fitted = (file for part, _ in trainings for file in (part.calibration, part.novelty))
    made += [file for file in fitted if file.is_file()]
    told = (folder.results, folder.predictions, folder.report, folder.model_card)
    return max(map(_written_at, made)) <= min(map(_written_at, told))


def _written_at(file: Path) -> int:
    return file.stat().st_mtime_ns


def _trainings(folder: RunFolder, experiment: Experiment) -> Iterator[tuple[RunFolder, Experiment]]:
    """Give every network that a run was asked for, with what it was to be."""
    yield folder, experiment
    if experiment.evaluation.compare_source_only:
        yield folder.source_only, experiment.without_adaptation()
    if experiment.evaluation.compare_oracle and experiment.target:
        yield folder.oracle, experiment.on_target_labels()


def _is_trained(folder: RunFolder, experiment: Experiment) -> bool:
    """Whether a training has come to its end, and its answers were calibrated if they should be."""
    calibrated = experiment.calibration.variance == "none" or folder.calibration.is_file()
    return calibrated and has_ended(folder, experiment)


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
