"""Train an experiment, evaluate it on every suite, and write the run directory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from dagnn.config import Experiment
from dagnn.errors import CheckpointError, UsageError
from dagnn.evaluation.examination import write_examination
from dagnn.evaluation.table import DRAWN, MODEL, ORACLE, SOURCE_ONLY
from dagnn.evaluation.variance import VarianceScale
from dagnn.files import write_text
from dagnn.models import Network
from dagnn.records import Dataset, Predictions, Result
from dagnn.run.answers import AnyPredictions, AnyScale, answers_of
from dagnn.run.assemble import Assembly, assemble, check, make_network, parameter_count
from dagnn.run.calibrate import (
    apply_scale,
    fit_scale,
    on_target_labels,
    read_scale,
    surrogate,
    write_scale,
)
from dagnn.run.data import Prepared, locate_data, prepare, stored_truth
from dagnn.run.facts import checkpoint_meta, require_same_data, run_facts
from dagnn.run.folder import RunFolder, require_free
from dagnn.run.guard import alarm_text, align_within, guarded
from dagnn.run.outputs import show_table, title, write_pages, write_tables
from dagnn.training import ORACLE as TARGET_ORACLE
from dagnn.training import (
    Callback,
    Checkpoint,
    Checkpoints,
    MetricsLog,
    ProgressReport,
    fit,
    load_checkpoint,
    load_weights,
    target_error,
    validation_metrics,
)

FEWEST_TO_ADAPT = 20
ITEMS_AT_ONCE = 512


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
    console = console or Console(stderr=True)
    check(experiment)
    require_free(out)  # before minutes are spent on data
    initial = load_initial(experiment)
    console.print(
        f"{experiment.name}: {title(experiment)}, seed {experiment.seed}", highlight=False
    )
    place = locate_data(experiment, mock, console)
    others = experiment.evaluation.suites
    splits = initial.meta["splits"] if initial else None
    prepared = prepare(experiment, place, console, others=others, splits=splits)
    prepared = guarded(experiment, prepared, console)
    folder = RunFolder.create(out, experiment.name)
    stored = experiment.data.model_copy(update={"path": place.absolute()})
    experiment = experiment.model_copy(update={"data": stored})
    write_text(folder.config, experiment.to_yaml())
    folder.write_environment(run_facts(experiment, prepared))
    return _run(experiment, prepared, folder, console)


def resume(path: Path, *, console: Console | None = None) -> RunResult:
    """Continue a run from its last checkpoint, as if it had never stopped.

    Raises:
        DagnnError: there is no such run, or its data have changed.
    """
    console = console or Console(stderr=True)
    folder = RunFolder.open(path)
    experiment = folder.read_experiment()
    check(experiment)
    place = locate_data(experiment, False, console)
    last = folder.checkpoints / "last.pt"
    stored = load_checkpoint(last).meta if last.is_file() else None
    others = experiment.evaluation.suites
    prepared = prepare(
        experiment,
        place,
        console,
        others=others,
        splits=stored["splits"] if stored else None,
        truth=stored_truth(stored) if stored else None,
    )
    require_same_data(folder, prepared)
    prepared = guarded(experiment, prepared, console)
    return _run(experiment, prepared, folder, console)


def _run(
    experiment: Experiment,
    prepared: Prepared,
    folder: RunFolder,
    console: Console,
) -> RunResult:
    initial = load_initial(experiment)
    if initial is not None:
        _require_same_classes(experiment, initial, prepared)
    predictions: list[AnyPredictions] = []
    networks: dict[str, Network] = {}
    for plan in _plans(experiment, prepared, folder):
        network = fit_network(
            plan.experiment,
            plan.prepared,
            plan.folder,
            console,
            initial=initial,
            label=plan.label,
            root=folder.path,
        )
        # The oracle has learned the labels of training items: only others measure it.
        together = experiment.evaluation.transductive and plan.label != ORACLE
        raw = predict_all(network, prepared, plan.label, transductive=together)
        scale = _scale(plan, network, console, folder.path)
        predictions += apply_scale(scale, raw, plan.labelled)
        networks[plan.label] = network
    return finish(experiment, prepared, folder, predictions, networks, console)


@dataclass(frozen=True)
class Plan:
    """One training of a run.

    Attributes:
        experiment: what is trained.
        prepared: on which data, in which roles.
        folder: where its checkpoints go.
        label: how tables call it.
    """

    experiment: Experiment
    prepared: Prepared
    folder: RunFolder
    label: str

    @property
    def labelled(self) -> list[str]:
        """Short names of the suites whose labels are read."""
        return [suite.name for suite in self.prepared.of_role("source")]


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


def _scale(plan: Plan, network: Network, console: Console, root: Path) -> AnyScale | None:
    """Calibrate the error bars of a trained network, or read how that was done before."""
    wanted = plan.experiment.calibration
    if wanted.variance == "none":
        return None
    answers = answers_of(plan.prepared.truth.classes)
    stored = read_scale(plan.folder, answers)
    if stored is not None:
        return stored
    scale = fit_scale(answers, predict_all(network, plan.prepared, plan.label))
    if isinstance(scale, VarianceScale) and wanted.surrogate != "none" and plan.experiment.target:
        scale = scale.inflated(_on_surrogate(plan, console, root))
    write_scale(plan.folder, scale)
    return scale


def _on_surrogate(plan: Plan, console: Console, root: Path) -> list[Predictions]:
    """Train on a surrogate of the target and predict what it holds out."""
    made = surrogate(plan.experiment, plan.prepared, console)
    if made is None:
        console.print(
            "[yellow]Note:[/] no other redshift of the source is there to calibrate error bars "
            "on; those of the target are calibrated on the source alone.",
            highlight=False,
            soft_wrap=True,
        )
        return []
    experiment, prepared = made
    network = fit_network(
        experiment,
        prepared,
        plan.folder.surrogate,
        console,
        initial=None,
        label="surrogate",
        root=root,
    )
    raw: list[Any] = predict_all(network, prepared, "surrogate")
    held_out = [each for each in raw if each.role == "target" and each.split == "valid"]
    names = [each.suite for each in raw]
    return apply_scale(fit_scale(answers_of(()), raw), held_out, labelled=names)


def finish(
    experiment: Experiment,
    prepared: Prepared,
    folder: RunFolder,
    predictions: list[AnyPredictions],
    networks: Mapping[str, Network],
    console: Console,
) -> RunResult:
    """Measure predictions, examine networks, write every output and print the table."""
    answers = answers_of(prepared.truth.classes)
    predictions = [*answers.baselines(experiment, prepared), *predictions]
    results = answers.measure(experiment, predictions, prepared)
    write_tables(folder, answers, predictions, results)
    drawn = {name: network for name, network in networks.items() if name in DRAWN}
    with console.status("Examining the networks"):
        found = answers.examine(experiment, prepared, drawn)
    if found is not None:
        write_examination(folder.path, found)
    with console.status("Drawing the report"):
        report = write_pages(folder, experiment, predictions, results)
    show_table(experiment, results, prepared.mock)
    for interval in prepared.intervals:
        if interval.alarm:
            console.print(f"[bold yellow]Alarm:[/] {alarm_text(interval)}", soft_wrap=True)
    for alarm in answers.alarms(predictions):
        console.print(f"[bold yellow]Alarm:[/] {alarm}", highlight=False, soft_wrap=True)
    console.print(f"Report: {report}", highlight=False, soft_wrap=True)
    return RunResult(folder.path, results, predictions, prepared.mock)


def fit_network(
    experiment: Experiment,
    prepared: Prepared,
    folder: RunFolder,
    console: Console,
    *,
    initial: Checkpoint | None,
    label: str,
    root: Path,
    callbacks: Sequence[Callback] = (),
) -> Network:
    """Train the network of an experiment, or continue where its folder stands.

    Args:
        experiment: what to train.
        prepared: its data.
        folder: where checkpoints and metrics go.
        console: where progress goes.
        initial: checkpoint whose weights to start from; fresh ones if None.
        label: how progress calls this training.
        root: the run that a user would resume.
        callbacks: told of steps and epochs after progress and log.
    """
    made = assemble(experiment, prepared)
    align_within(made, prepared)
    if initial is not None:
        load_parameters(made.network, initial)
    last = folder.checkpoints / "last.pt"
    meta = checkpoint_meta(experiment, prepared, made.statistics)
    checkpoints = Checkpoints(folder.checkpoints, meta, f"dagnn train --resume {root}")
    console.print(
        f"Training {label}: {parameter_count(made.network)} weights, {made.settings.epochs} epochs "
        f"of {made.domains.steps} steps on {made.device}",
        highlight=False,
    )
    fit(
        made.network,
        made.objective,
        made.domains,
        settings=made.settings,
        validate=_validation(made, prepared, experiment.training.select_on == TARGET_ORACLE),
        callbacks=[ProgressReport(console, title=label), MetricsLog(folder.metrics), *callbacks],
        checkpoints=checkpoints,
        resume=last if last.is_file() else None,
    )
    return made.network


def predict_all(
    network: Network,
    prepared: Prepared,
    model: str,
    adapt_statistics: bool = False,
    transductive: bool = False,
) -> list[AnyPredictions]:
    """Predict every item that training has not learned from.

    Args:
        network: trained network.
        prepared: suites to predict.
        model: which network this is.
        adapt_statistics: see unseen suites through statistics of their own.
        transductive: take all items of a target together, which training saw unlabelled.
    """
    answers = answers_of(prepared.truth.classes)
    predictions = []
    for suite in prepared.suites:
        dataset, unseen = suite.loaded.dataset, suite.split is None
        parts = {part: index for part, index in suite.parts().items() if part != "train"}
        if transductive and suite.role == "target":
            parts = {"all": torch.cat([*suite.parts().values()])}
        seen_by = adapt(network, dataset, parts["all"]) if unseen and adapt_statistics else network
        for part, index in parts.items():
            one = answers.predict(
                seen_by,
                dataset,
                index,
                prepared.truth,
                suite=suite.name,
                role=suite.role,
                split=part,
                domain=suite.domain,
                model=model,
            )
            predictions.append(one)
    return predictions


def adapt(network: Network, dataset: Dataset, items: Tensor) -> Network:
    """Return a copy of a network with statistics estimated from unlabelled items.

    Raises:
        UsageError: there are too few items to estimate anything.
    """
    if len(items) < FEWEST_TO_ADAPT:
        raise UsageError(
            f"--adapt-statistics needs at least {FEWEST_TO_ADAPT} inputs of one suite, got "
            f"{len(items)}: statistics of fewer say more about the boxes than about the suite."
        )
    device = next(network.parameters()).device
    parts = torch.split(items.to(device), ITEMS_AT_ONCE)
    return network.adapted(*(dataset.to(device).batch(part, domain=0) for part in parts))


def _validation(made: Assembly, prepared: Prepared, oracle: bool) -> Any:
    def batches(role: str) -> list[Any]:
        return [
            suite.loaded.dataset.to(made.device).batch(suite.parts()["valid"], suite.domain)
            for suite in prepared.of_role(role)
        ]

    sources, targets = batches("source"), batches("target")

    def validate(network: Network) -> dict[str, float]:
        found = validation_metrics(network, made.objective, sources, targets)
        return found | ({"target_error": target_error(network, targets)} if oracle else {})

    return validate


def load_initial(experiment: Experiment) -> Checkpoint | None:
    """Load the checkpoint that an experiment starts from, and see that it fits.

    Raises:
        CheckpointError: it infers other parameters, or its network has another shape.
    """
    if experiment.init_from is None:
        return None
    checkpoint = load_checkpoint(RunFolder.open(experiment.init_from).checkpoints / "best.pt")
    names = stored_truth(checkpoint.meta).scaling.names
    if names and list(names) != list(experiment.data.parameters):
        raise CheckpointError(
            f"{experiment.init_from} infers {', '.join(names)}, this experiment "
            f"{', '.join(experiment.data.parameters)}. Start from a run with the same parameters."
        )
    stored = checkpoint.meta["experiment"]["model"].get("members", 1)
    if stored != experiment.model.members:
        raise CheckpointError(
            f"{experiment.init_from} has {stored} members, this experiment "
            f"{experiment.model.members}. Start with: --members {stored}"
        )
    meta = checkpoint.meta
    load_parameters(make_network(experiment, meta["sizes"], 1, stored_truth(meta)), checkpoint)
    return checkpoint


def _require_same_classes(experiment: Experiment, initial: Checkpoint, prepared: Prepared) -> None:
    theirs, ours = stored_truth(initial.meta).classes, prepared.truth.classes
    if theirs != ours:
        raise CheckpointError(
            f"{experiment.init_from} knows the classes {', '.join(theirs) or 'of nothing'}, these "
            f"data have {', '.join(ours) or 'none'}. Start from a run with the same classes, in "
            "the same order; data.classes sets them."
        )


def load_parameters(network: Network, checkpoint: Checkpoint) -> None:
    """Put the trained weights of a checkpoint into a network.

    Statistics of inputs and latents stay those of the new data: the rows of the
    stored ones belong to the suites of another run.

    Raises:
        CheckpointError: the networks have different shapes.
    """
    fresh = network.state_dict()
    learned = {
        name: checkpoint.selected[name]
        for name, _ in network.named_parameters()
        if name in checkpoint.selected
    }
    load_weights(network, {**fresh, **learned})
