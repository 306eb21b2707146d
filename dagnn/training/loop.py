"""One training run between start and end: its state, and how one epoch changes it."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from dagnn.errors import CheckpointError, NonFiniteLossError
from dagnn.records import Batch, EpochRecord, Output, Terms
from dagnn.training.callbacks import Callback
from dagnn.training.checkpoint import Checkpoint, load_weights, random_state, set_random_state
from dagnn.training.forward import Domains, in_precision, make_pair
from dagnn.training.optimizers import OPTIMIZERS, SCHEDULES, Gradients, parameter_groups
from dagnn.training.settings import TrainSettings

Validate = Callable[[nn.Module], Mapping[str, float]]


class ProcessGroup:
    """The processes that take the steps of a training; this base class is a single process.

    Attributes:
        world_size: number of processes.
        is_main: whether this process also reads, validates and writes.
    """

    world_size = 1
    is_main = True

    def run_worker(self) -> None:
        """Take part in every training of the main process until it has finished."""

    def start(self, loop: "Loop") -> None:
        """Send a training to the workers; called once, before the first epoch."""

    def epoch(self, loop: "Loop") -> AbstractContextManager[None]:
        """Return the context of an epoch, in which the workers take the same steps."""
        return nullcontext()

    def step(self) -> AbstractContextManager[None]:
        """Return the context of a forward and backward pass."""
        return nullcontext()

    def fork_rng(self) -> AbstractContextManager[None]:
        """Return the context of the network, which draws random numbers for local items."""
        return nullcontext()

    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average gradients over the processes."""


SINGLE_PROCESS = ProcessGroup()
GROUP: ContextVar[ProcessGroup] = ContextVar("process group", default=SINGLE_PROCESS)


def process_group() -> ProcessGroup:
    """Return the group that this process belongs to.

    Example:
        >>> process_group().world_size
        1
    """
    return GROUP.get()


class Loop:
    """Network, objective, optimiser and streams, and where they stand.

    Args:
        network: ``batch → Output``; moved nowhere, trained where it is.
        objective: ``Pair → Terms``, with an attribute ``needs_target``; its own
            parameters are trained along.
        domains: the streams of batches.
        settings: how to train.

    Attributes:
        processes: that take the steps.
    """

    def __init__(
        self, network: nn.Module, objective: nn.Module, domains: Domains, settings: TrainSettings
    ) -> None:
        self.network = network
        self.objective = objective
        self.domains = domains
        self.settings = settings
        self.processes = SINGLE_PROCESS
        self.schedule = SCHEDULES[settings.schedule]
        self.optimizer = OPTIMIZERS[settings.optimizer](
            parameter_groups([network, objective], settings.weight_decay),
            lr=settings.learning_rate,
        )
        self.parameters: list[nn.Parameter] = [
            parameter for group in self.optimizer.param_groups for parameter in group["params"]
        ]
        self.gradients = Gradients(network, objective)
        self.forward = in_precision(network, settings.precision, self.parameters[0].device)
        self.total_steps = settings.epochs * domains.steps
        self.step = 0
        self.history: list[EpochRecord] = []
        self.best_network = self._copy_of_network()

    @property
    def epoch(self) -> int:
        """Epochs finished."""
        return len(self.history)

    def run_epoch(self, validate: Validate | None, callbacks: Sequence[Callback]) -> EpochRecord:
        """Train for one epoch, validate, and return the record (not yet in the history).

        Raises:
            NonFiniteLossError: a loss or the gradient became NaN or infinite.
        """
        started = time.perf_counter()
        self.network.train()
        self.objective.train()
        sums: dict[str, Tensor] = {}
        with self.processes.epoch(self):
            for _ in range(self.domains.steps):
                for name, value in self.run_step().items():
                    sums[name] = sums[name] + value if name in sums else value
                for callback in callbacks:
                    callback.on_step(self.step)
        return EpochRecord(
            epoch=self.epoch + 1,
            step=self.step,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            seconds=time.perf_counter() - started,
            train={name: float(value) / self.domains.steps for name, value in sums.items()},
            valid=self._validated(validate),
        )

    def run_step(self) -> dict[str, Tensor]:
        """Take one optimiser step and return the detached value of every term."""
        progress = self.step / self.total_steps
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * self.schedule(progress)
        self.optimizer.zero_grad()
        with self.processes.step():
            terms = self._terms(progress)
            torch.autograd.backward(terms.total)
        self.processes.average(self.parameters)
        values = {"total": terms.total, "task": terms.task, **terms.domain}
        values = {name: value.detach() for name, value in values.items()}
        self._clip_gradient(values)
        self.optimizer.step()
        self.step += 1
        return values

    def _terms(self, progress: float) -> Terms:
        draw = self.domains.draw(bool(self.objective.needs_target))
        terms: Terms = self.objective(make_pair(self._output, *draw, progress))
        return terms

    def _output(self, batch: Batch) -> Output:
        with self.processes.fork_rng():
            return self.forward(batch)

    def _clip_gradient(self, values: Mapping[str, Tensor]) -> None:
        """Clip the gradient, after making sure that it and every loss are finite.

        One transfer from the device per step, before the weights change.
        """
        norms = self.gradients.norms()
        known = torch.stack([*values.values(), norms.max().to(values["total"])])
        if not known.isfinite().all():
            raise NonFiniteLossError(self._diagnosis(values, norms.max()))
        if self.settings.clip_norm is not None:
            self.gradients.clip(norms, self.settings.clip_norm)

    def _diagnosis(self, values: Mapping[str, Tensor], norm: Tensor) -> str:
        listed = ", ".join(f"{name} {float(value):.4g}" for name, value in values.items())
        clip = "null" if self.settings.clip_norm is None else f"{self.settings.clip_norm:g}"
        return (
            f"Training became non-finite in epoch {self.epoch + 1}, step {self.step + 1} of "
            f"{self.total_steps}: {listed}, gradient norm {float(norm):.4g}. Try a smaller "
            f"training.learning_rate (now {self.settings.learning_rate:g}), a smaller "
            f"training.clip_norm (now {clip}), or a smaller weight of the term that broke; "
            f"a loss that is not finite in the first step points at the inputs."
        )

    def _validated(self, validate: Validate | None) -> dict[str, float]:
        self.network.eval()
        self.objective.eval()
        if validate is None:
            return {}
        with torch.no_grad():
            return {name: float(value) for name, value in validate(self.network).items()}

    def finish_epoch(self, record: EpochRecord) -> None:
        """Add an epoch to the history and, where it is the best so far, remember its weights."""
        self.history.append(record)
        if record.best:
            self.best_network = self._copy_of_network()

    @property
    def best_is_here(self) -> bool:
        """Whether the present weights are the best so far."""
        return not self.history or self.history[-1].best

    def _copy_of_network(self) -> dict[str, Any]:
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def state(self, meta: Mapping[str, Any]) -> Checkpoint:
        """Return everything that is needed to continue from here.

        Args:
            meta: plain values of the caller.
        """
        return Checkpoint(
            network=self.network.state_dict(),
            objective=self.objective.state_dict(),
            optimizer=self.optimizer.state_dict(),
            domains=self.domains.state_dict(),
            random=random_state(self.parameters[0].device),
            epoch=self.epoch,
            step=self.step,
            total_steps=self.total_steps,
            settings=self.settings.shaping(),
            history=[asdict(record) for record in self.history],
            best_network=None if self.best_is_here else self.best_network,
            meta=dict(meta),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a stored state as if nothing had happened in between.

        Raises:
            CheckpointError: the checkpoint belongs to another network, plan or data.
        """
        self._require_same_plan(checkpoint)
        load_weights(self.network, checkpoint.selected)
        self.best_network = self._copy_of_network()
        load_weights(self.network, checkpoint.network)
        load_weights(self.objective, checkpoint.objective, "objective")
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.domains.load_state_dict(checkpoint.domains)
        self.history = [EpochRecord(**record) for record in checkpoint.history]
        self.step = checkpoint.step
        set_random_state(checkpoint.random, self.parameters[0].device)

    def _require_same_plan(self, checkpoint: Checkpoint) -> None:
        now = {**self.settings.shaping(), "steps in total": self.total_steps}
        # A checkpoint that names no precision was written before there was a choice.
        then = {
            "precision": "float32",
            **checkpoint.settings,
            "steps in total": checkpoint.total_steps,
        }
        changed = [
            f"{key} was {then.get(key)} and is now {value}"
            for key, value in now.items()
            if then.get(key) != value
        ]
        if changed:
            raise CheckpointError(
                f"The run cannot be resumed with other settings: {'; '.join(changed)}. Schedule "
                f"and ramps were planned for the old ones. Resume with those, or start a new run "
                f"from these weights (--init-from)."
            )
