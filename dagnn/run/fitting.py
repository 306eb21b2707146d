"""Train the network of an experiment, or continue where its folder stands."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import torch
from rich.console import Console

from dagnn.config import Experiment
from dagnn.errors import CheckpointError
from dagnn.losses import Window
from dagnn.models import Network
from dagnn.report.history import read_epochs
from dagnn.run.assemble import (
    Assembly,
    TrainingBatches,
    assemble,
    load_parameters,
    make_network,
    silent_terms,
    training_batch,
)
from dagnn.run.folder import Note, RunFolder, load_trained
from dagnn.run.prepared import Prepared, stored_truth, summaries_of, truth_of
from dagnn.run.ranges import training_spread
from dagnn.stored import reading
from dagnn.training import (
    TARGET_ORACLE,
    Callback,
    Checkpoint,
    Checkpoints,
    MetricsLog,
    ProgressReport,
    Selection,
    fit,
    load_checkpoint,
    process_group,
    save_checkpoint,
    target_error,
    validation_metrics,
)
from dagnn.trust.label_shift import FEWEST, WHOLE

ADJUSTABLE = ("linking_radius", "min_star_particles", "min_stellar_mass", "crop", "size")
"""Settings of inputs that may change where training goes on from the weights of another run."""


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
        callbacks: called after progress and log.
    """
    if not has_ended(folder, experiment):
        for file in (folder.calibration, folder.novelty):  # fitted to weights that will change
            file.unlink(missing_ok=True)
    made = assemble(experiment, prepared)
    align_within(made, prepared)
    if initial is not None:
        load_parameters(made.network, initial)
    last = folder.checkpoints / "last.pt"
    inherited = inherited_notes(initial, [suite.name for suite in prepared.of_role("target")])
    meta = checkpoint_meta(experiment, prepared, made.statistics, inherited)
    checkpoints = Checkpoints(folder.checkpoints, meta, f"dagnn train --resume {quote(str(root))}")
    console.print(
        f"Training {label}: {_plan(experiment, made)}",
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
        validate=_validation(made, prepared, experiment.training.select_on == TARGET_ORACLE),
        callbacks=[progress, MetricsLog(folder.metrics), *callbacks],
        checkpoints=checkpoints,
        resume=last if last.is_file() else None,
    )
    made.network.settle(TrainingBatches(made.passed, made.device))
    stored = load_checkpoint(checkpoints.best)
    settled = replace(stored, network=made.network.state_dict(), best_network=None)
    save_checkpoint(settled, checkpoints.best)
    return made.network


def has_ended(folder: RunFolder, experiment: Experiment) -> bool:
    """Whether the training in a folder has come to the end that the experiment sets it."""
    there = (folder.metrics, folder.checkpoints / "last.pt", folder.checkpoints / "best.pt")
    if not all(file.is_file() for file in there):
        return False
    asked, history = experiment.training, read_epochs(folder.metrics)
    selection = Selection(asked.select_on, asked.patience)
    selection.replay(history)
    return len(history) >= asked.epochs or selection.exhausted


def is_trained(folder: RunFolder, experiment: Experiment) -> bool:
    """Whether a training has come to its end, and is calibrated if it should be."""
    calibrated = experiment.calibration.variance == "none" or folder.calibration.is_file()
    return calibrated and has_ended(folder, experiment)


def _plan(experiment: Experiment, made: Assembly) -> str:
    """Return sizes and length of a training in words."""
    members, team = experiment.model.members, process_group().world_size
    count = sum(each.numel() for each in made.network.parameters() if each.requires_grad)
    size = f"{count} weights"
    if members > 1:
        size = f"{members} members of {count // members} weights"
    epochs, steps = (
        f"{number} {what}{'s' * (number != 1)}"
        for number, what in ((made.settings.epochs, "epoch"), (made.domains.steps, "step"))
    )
    together = f", by {team} processes that share every batch" if team > 1 else ""
    return f"{size}, {epochs} of {steps} on {made.device}{together}"


def _validation(
    made: Assembly, prepared: Prepared, oracle: bool
) -> Callable[[Any], dict[str, float]]:
    """Return what measures a network after every epoch; only the oracle reads target labels."""
    sources, targets = (
        [s.loaded.dataset.to(made.device).batch(s.parts()["valid"]) for s in prepared.of_role(role)]
        for role in ("source", "target")
    )

    def validate(network: Network) -> dict[str, float]:
        found = validation_metrics(network, made.objective, sources, targets)
        return found | ({"target_error": target_error(network, targets)} if oracle else {})

    return validate


def load_initial(experiment: Experiment) -> Checkpoint | None:
    """Load the checkpoint that an experiment starts from, and check that it fits.

    Raises:
        CheckpointError: it infers other parameters, or its network has another shape.
    """
    if experiment.init_from is None:
        return None
    checkpoint = load_trained(RunFolder.open(experiment.init_from).checkpoints / "best.pt")
    meta, truth = checkpoint.meta, stored_truth(checkpoint.meta)
    names = truth.scaling.names
    if names and list(names) != list(experiment.data.parameters):
        raise CheckpointError(
            f"{experiment.init_from} infers {', '.join(names)}, this experiment "
            f"{', '.join(experiment.data.parameters)}. Start from a run with the same parameters."
        )
    stored = meta["experiment"]["model"].get("members", 1)
    if stored != experiment.model.members:
        raise CheckpointError(
            f"{experiment.init_from} has {stored} members, this experiment "
            f"{experiment.model.members}. Start with: --members {stored}"
        )
    with reading(experiment.init_from, "Start from another run.", CheckpointError):
        network = make_network(experiment, meta["sizes"], 1, truth)
    load_parameters(network, checkpoint)
    return checkpoint


def require_same_classes(experiment: Experiment, initial: Checkpoint, prepared: Prepared) -> None:
    """Refuse to start from a network that knows other classes.

    Raises:
        CheckpointError: names or order differ.
    """
    theirs, ours = stored_truth(initial.meta).classes, prepared.truth.classes
    if theirs != ours:
        raise CheckpointError(
            f"{experiment.init_from} knows the classes {', '.join(theirs) or 'of nothing'}, these "
            f"data have {', '.join(ours) or 'none'}. Start from a run with the same classes, in "
            "the same order; data.classes sets them."
        )


def stored_meta(folder: RunFolder) -> dict[str, Any] | None:
    """Return the data and task of a run that was begun, from its checkpoints if there are any.

    The comparison without adaptation trains first, so its checkpoint may be the only one.
    """
    for part in (folder, folder.source_only):
        last = part.checkpoints / "last.pt"
        if last.is_file():
            return dict(load_trained(last).meta)
    return None


def checkpoint_meta(
    experiment: Experiment, prepared: Prepared, rows: int, inherited: Sequence[Note] = ()
) -> dict[str, Any]:
    """Collect what makes a checkpoint usable without its run directory.

    Args:
        experiment: that is carried out.
        prepared: its data.
        rows: number of suites that keep statistics of their own.
        inherited: what the weights that training starts from have seen.
    """
    suites = [suite for suite in prepared.suites if suite.split is not None]
    train, valid = (
        np.concatenate([summaries_of(suite, (part,)) for suite in suites])
        for part in ("train", "valid")
    )
    names = suites[0].loaded.dataset.summaries()
    return {
        "experiment": experiment.model_dump(mode="json"),
        "sizes": dict(suites[0].loaded.dataset.sizes),
        "inputs": suites[0].loaded.inputs.to_dict(),
        "domains": [suite.name for suite in suites],
        "statistics": rows,
        "scaling": asdict(prepared.scaling),
        "classes": list(prepared.truth.classes),
        "splits": {s.name: s.split.to_ids(s.loaded.dataset.ids) for s in suites if s.split},
        "training_range": {
            name: [float(low), float(high)]
            for name, low, high in zip(names, train.min(0), train.max(0), strict=True)
        },
        "training_spread": training_spread(train, valid),
        "mock": prepared.mock,
        "inherited": [note.model_dump() for note in inherited],
    }


def inherited_notes(initial: Checkpoint | None, targets: Sequence[str]) -> list[Note]:
    """Return what the weights that a run starts from have seen.

    Args:
        initial: checkpoint of the other run; None for fresh weights.
        targets: short names of the present targets.
    """
    if initial is None:
        return []
    meta, start = initial.meta, "training started from"
    notes = [Note.model_validate(stored) for stored in meta.get("inherited", [])]
    before = meta["experiment"]
    if meta["mock"]:
        notes.append(Note(kind="MOCK", text=f"the weights that {start} were trained on MOCK data."))
    if before["training"]["select_on"] == TARGET_ORACLE:
        text = f"the run that {start} was chosen by target labels."
        notes.append(Note(kind="ORACLE", text=text))
    known = {str(name).casefold() for name in before["source"]} & {t.casefold() for t in targets}
    if known:
        names = ", ".join(sorted(known))
        text = f"the run that {start} read labels of {names}, a target now."
        notes.append(Note(kind="LABELLED", text=text))
    return list(dict.fromkeys(notes))


def align_within(made: Assembly, prepared: Prepared) -> None:
    """Refer the statistics and the domain terms of narrow targets to the source within.

    Args:
        made: network, whose input statistics are changed, and objective, which gets a
            window.
        prepared: data with the intervals of their targets.
    """
    targets = prepared.of_role("target")
    found = {suite.name: _effective(prepared, suite.name) for suite in targets}
    narrow = [s for s in targets if any(ends != WHOLE for ends in found[s.name])]
    if not narrow:
        return
    if made.statistics > 1:
        for suite in narrow:
            made.network.refer_inputs(suite.domain, *_inside(made, prepared, found[suite.name]))
    # Targets of different width have no window in common: those of the whole prior go first.
    wide = [suite for suite in targets if suite not in narrow]
    together = [found[suite.name] for suite in wide or narrow]
    low, high = ([edge(each[k][side] for each in together) for k in range(len(together[0]))]
                 for side, edge in enumerate((min, max)))  # fmt: skip
    without = [suite.domain for suite in narrow] if wide else []
    made.objective.look_through(Window(low, high, without).to(made.device))


def _effective(prepared: Prepared, name: str) -> list[tuple[float, float]]:
    """Return the interval of every parameter; the whole prior where there is no alarm."""
    alarms = {
        i.parameter: (i.low, i.high) for i in prepared.intervals if i.suite == name and i.alarm
    }
    return [alarms.get(parameter, WHOLE) for parameter in prepared.scaling.names]


def _inside(
    made: Assembly, prepared: Prepared, intervals: Sequence[tuple[float, float]]
) -> list[Any]:
    """Gather training items of all sources inside the intervals, the nearest if they are few."""
    sources = prepared.of_role("source")
    low, high = (np.array([ends[side] for ends in intervals]) for side in (0, 1))
    outside = [
        np.maximum(np.maximum(low - y, y - high), 0).max(1)
        for y in (truth_of(source, prepared) for source in sources)
    ]
    every = np.sort(np.concatenate(outside))
    limit = max(0.0, every[min(FEWEST, len(every)) - 1])
    batches = []
    for source, distance in zip(sources, outside, strict=True):
        rows = source.parts()["train"][torch.as_tensor(distance <= limit)]
        if len(rows):
            batches.append(training_batch(source, rows, made.device))
    return batches
