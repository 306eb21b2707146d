"""The trainer: batches in, trained network and history out.

It knows batches, outputs and terms; nothing of graphs, images or
configuration, and it writes files only by callbacks and checkpoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from dagnn.errors import CheckpointError, ConfigError, Interrupted, NonFiniteLossError
from dagnn.records import EpochRecord
from dagnn.stored import reading
from dagnn.training.callbacks import Callback, Plan
from dagnn.training.checkpoint import Checkpoints, load_checkpoint, load_weights
from dagnn.training.forward import Domains
from dagnn.training.loop import Loop, Validate, process_group
from dagnn.training.settings import Selection, TrainSettings


@dataclass(frozen=True)
class FitResult:
    """Summary of a training run.

    Attributes:
        history: one record per epoch, those before a resume included.
        best_epoch: the epoch whose weights the network now has.
        stopped_early: whether patience ran out before the last planned epoch.
    """

    history: tuple[EpochRecord, ...]
    best_epoch: int
    stopped_early: bool


def fit(
    network: nn.Module,
    objective: nn.Module,
    domains: Domains,
    *,
    settings: TrainSettings | None = None,
    validate: Validate | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoints: Checkpoints | None = None,
    resume: Path | None = None,
) -> FitResult:
    """Train a network on labelled sources while aligning unlabelled targets.

    Every step draws one batch per domain; target batches are drawn only if the
    objective needs them. With ``checkpoints``, the state is on disk before the
    first epoch and after each one, and a resumed run continues as if it had
    never stopped (bit for bit on the CPU). Of several processes (see
    :func:`~dagnn.training.distributed.init_process_group`) the main one calls this; the
    workers share the batches of every step and nothing else.

    Args:
        network: ``batch → Output``, on the device where it shall be trained. On
            return it is in evaluation mode with the weights of the selected epoch.
        objective: ``Pair → Terms`` with an attribute ``needs_target``.
        domains: streams of batches, on the same device.
        settings: how to train; the defaults of :class:`TrainSettings` if None.
        validate: ``network → numbers`` without target labels, called after every epoch
            in evaluation mode; see :func:`~dagnn.training.validation.validation_metrics`.
        callbacks: called after steps and epochs, in this order.
        checkpoints: where to save; nothing is saved if None.
        resume: checkpoint to continue from.

    Returns:
        The history and which epoch was selected.

    Raises:
        ConfigError: a criterion needs validation numbers and there are none.
        CheckpointError: ``resume`` is broken or belongs to another run.
        NonFiniteLossError: a loss or gradient became NaN or infinite.
        Interrupted: Ctrl-C was pressed and the run can be resumed; without
            ``checkpoints`` the KeyboardInterrupt passes through.
    """
    settings = settings or TrainSettings()
    if validate is None and settings.select_on != "last":
        raise ConfigError(
            f"training.select_on: {settings.select_on!r} needs validation numbers, and no "
            f"validation was given. Use 'last'."
        )
    loop = Loop(network, objective, domains, settings)
    selection = Selection(settings.select_on, settings.patience, settings.minimum_epochs)
    if resume is not None:
        again = "Use another checkpoint of the run, or train again."
        with reading(resume, again, CheckpointError):
            loop.restore(load_checkpoint(resume))
        selection.replay(loop.history)
    try:
        if checkpoints is not None:
            checkpoints.save(loop.state(checkpoints.meta), loop.epoch > 0 and loop.best_is_here)
        loop.processes = process_group()
        loop.processes.start(loop)
        _run(loop, selection, validate, callbacks, checkpoints)
    except KeyboardInterrupt as interruption:
        if checkpoints is None or checkpoints.epoch is None:
            raise
        raise Interrupted(
            f"Interrupted. {checkpoints.kept()} Continue with: {checkpoints.resume_command}"
        ) from interruption
    except NonFiniteLossError as error:
        if checkpoints is None:
            raise
        raise NonFiniteLossError(f"{error} {checkpoints.kept()}") from error
    load_weights(network, loop.best_network)
    return FitResult(tuple(loop.history), selection.best_epoch, loop.epoch < settings.epochs)


def _run(
    loop: Loop,
    selection: Selection,
    validate: Validate | None,
    callbacks: Sequence[Callback],
    checkpoints: Checkpoints | None,
) -> None:
    """Train until the plan is done or patience runs out."""
    plan = Plan(loop.settings.epochs, loop.domains.steps)
    try:
        for callback in callbacks:
            callback.on_start(plan, tuple(loop.history))
        while loop.epoch < plan.epochs and not selection.exhausted:
            record = loop.run_epoch(validate, callbacks)
            record = replace(record, best=selection.update(record))
            loop.finish_epoch(record)
            if checkpoints is not None:
                checkpoints.save(loop.state(checkpoints.meta), record.best)
            for callback in callbacks:
                callback.on_epoch(record)
    finally:
        for callback in callbacks:
            callback.on_close()
