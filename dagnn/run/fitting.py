"""Train the network of an experiment, or continue where its folder stands."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from rich.console import Console

from dagnn.config import Experiment
from dagnn.models import Network
from dagnn.report.history import read_epochs
from dagnn.run.assemble import Assembly, TrainingBatches, assemble, silent_terms
from dagnn.run.facts import checkpoint_meta
from dagnn.run.folder import RunFolder
from dagnn.run.initial import inherited_notes, load_parameters
from dagnn.run.prepared import Prepared
from dagnn.run.ranges import align_within
from dagnn.training import (
    TARGET_ORACLE,
    Callback,
    Checkpoint,
    Checkpoints,
    MetricsLog,
    ProgressReport,
    fit,
    process_group,
    target_error,
    validation_metrics,
)
from dagnn.training.checkpoint import load_checkpoint, save_checkpoint
from dagnn.training.settings import Selection

Validate = Callable[[Any], dict[str, float]]


def fit_network(
    experiment: Experiment,
    prepared: Prepared,
    folder: RunFolder,
    console: Console,
    *,
    initial: Checkpoint | None,
    label: str,
    root: Path,
    title: str | None = None,
    callbacks: Sequence[Callback] = (),
) -> Network:
    """Train the network of an experiment, or continue where its folder stands.

    Args:
        experiment: what to train.
        prepared: its data.
        folder: where checkpoints and metrics go.
        console: where progress goes.
        initial: checkpoint whose weights to start from; fresh ones if None.
        label: what is trained, in words.
        root: the run that a user would resume.
        title: the label in a word or two, for the bar; the label itself if None.
        callbacks: told of steps and epochs after progress and log.
    """
    if not has_ended(folder, experiment):
        _forget_fitted(folder)
    made = assemble(experiment, prepared)
    align_within(made, prepared)
    if initial is not None:
        load_parameters(made.network, initial)
    last = folder.checkpoints / "last.pt"
    inherited = inherited_notes(initial, [suite.name for suite in prepared.of_role("target")])
    meta = checkpoint_meta(experiment, prepared, made.statistics, inherited)
    checkpoints = Checkpoints(folder.checkpoints, meta, f"dagnn train --resume {quote(str(root))}")
    console.print(
        f"Training {label}: {_sizes(experiment, made)}, "
        f"{_counted(made.settings.epochs, 'epoch')} of {_counted(made.domains.steps, 'step')} on "
        f"{made.device}{_together()}",
        markup=False,
        highlight=False,
        soft_wrap=not console.is_terminal,
    )
    progress = ProgressReport(console, title=title or label, silent=silent_terms(experiment))
    fit(
        made.network,
        made.objective,
        made.domains,
        settings=made.settings,
        validate=validation(made, prepared, experiment.training.select_on == TARGET_ORACLE),
        callbacks=[progress, MetricsLog(folder.metrics), *callbacks],
        checkpoints=checkpoints,
        resume=last if last.is_file() else None,
    )
    made.network.settle(TrainingBatches(made.passed, made.device))
    _store_network(made.network, checkpoints.best)
    return made.network


def _store_network(network: Network, path: Path) -> None:
    """Put a network in the place of that of a checkpoint of the same training."""
    stored = load_checkpoint(path)
    save_checkpoint(replace(stored, network=network.state_dict(), best_network=None), path)


def has_ended(folder: RunFolder, experiment: Experiment) -> bool:
    """Whether the training in a folder has come to the end that the experiment sets it."""
    there = (folder.metrics, folder.checkpoints / "last.pt", folder.checkpoints / "best.pt")
    if not all(file.is_file() for file in there):
        return False
    asked, history = experiment.training, read_epochs(folder.metrics)
    selection = Selection(asked.select_on, asked.patience)
    selection.replay(history)
    return len(history) >= asked.epochs or selection.exhausted


def _forget_fitted(folder: RunFolder) -> None:
    """Drop what was fitted to weights that training is about to change."""
    for file in (folder.calibration, folder.novelty):
        file.unlink(missing_ok=True)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _together() -> str:
    processes = process_group().world_size
    return f", by {processes} processes that share every batch" if processes > 1 else ""


def _sizes(experiment: Experiment, made: Assembly) -> str:
    members = experiment.model.members
    count = sum(each.numel() for each in made.network.parameters() if each.requires_grad)
    return (
        f"{count} weights" if members == 1 else f"{members} members of {count // members} weights"
    )


def validation(made: Assembly, prepared: Prepared, oracle: bool) -> Validate:
    """Return what measures a network after every epoch.

    Args:
        made: whose objective and device are used.
        prepared: whose validation items are used; target labels only by the oracle.
        oracle: whether target labels may be read.
    """

    def batches(role: str) -> list[Any]:
        return [
            suite.loaded.dataset.to(made.device).batch(suite.parts()["valid"])
            for suite in prepared.of_role(role)
        ]

    sources, targets = batches("source"), batches("target")

    def validate(network: Network) -> dict[str, float]:
        found = validation_metrics(network, made.objective, sources, targets)
        return found | ({"target_error": target_error(network, targets)} if oracle else {})

    return validate
