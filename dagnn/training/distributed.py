"""Training by several processes that ``torchrun`` has started.

The main process does what a single one does: it reads data, builds, validates, writes files
and prints. Only steps are taken together. For each training it sends the workers everything
that a step needs, network, objective, streams and optimiser, and then a message when an epoch
starts; they know no configuration and read no file.
"""

import copy
import io
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from dagnn.collective import average_over_processes, call_collective, shared_batches
from dagnn.errors import DagnnError, LostProcessError, UsageError
from dagnn.training.checkpoint import RandomState, random_state, set_random_state
from dagnn.training.loop import GROUP, SINGLE_PROCESS, Loop, ProcessGroup

# Workers wait while the main process reads, evaluates and draws; it may take its time.
PATIENCE = timedelta(days=30)
# Within an epoch no process has a reason to wait long.
STEP_PATIENCE = timedelta(minutes=30)
# How long the main process waits for the others to end.
EXIT_PATIENCE = timedelta(seconds=5)
_START = "torchrun --nproc-per-node=N -m dagnn train ..."
UNSYNCED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Processes(ProcessGroup):
    """Several processes, each with its share of every batch.

    Args:
        rank: number of this process, from 0.
        world_size: how many there are.
        local_rank: number of this process on its machine, which is that of its GPU.
        store: that torch's process group was made with.

    Attributes:
        busy: whether the workers are taking steps, and receive no message.
    """

    def __init__(self, rank: int, world_size: int, local_rank: int, store: Store) -> None:
        self.rank = rank
        self.is_main = rank == 0
        self.world_size = world_size
        self.local_rank = local_rank
        self.store = store
        self.busy = False
        self.device = torch.device("cpu")
        self.local_random: RandomState = random_state(self.device)
        self._messages = dist.new_group(backend="gloo", timeout=PATIENCE)

    def start(self, loop: Loop) -> None:
        """Send a training to the others.

        Raises:
            UsageError: it cannot be shared.
        """
        self.device = loop.parameters[0].device
        self._require_own_device()
        _require_synced(loop.network)
        sent = copy.copy(loop)
        sent.processes = SINGLE_PROCESS
        content = io.BytesIO()
        torch.save(sent, content)
        self._send(content.getvalue())

    def run_worker(self) -> None:
        """Take part in every training of the main process until it has finished."""
        loop: Loop | None = None
        while (message := self._receive()) is not None:
            if isinstance(message, bytes):
                loop = self._loaded(message)
            elif loop is not None:
                self._train_along(loop, message)

    def _loaded(self, content: bytes) -> Loop:
        # Not only tensors, but it comes from our own main process.
        loop: Loop = torch.load(io.BytesIO(content), map_location=self._place, weights_only=False)
        loop.processes = self
        self.device = loop.parameters[0].device
        return loop

    def _place(self, storage: Any, location: str) -> Any:
        """Put what the main process has on its GPU on the local one."""
        return storage if location == "cpu" else storage.cuda(self.local_rank)

    def _train_along(self, loop: Loop, random: RandomState) -> None:
        set_random_state(random, self.device)
        try:
            loop.finish_epoch(loop.run_epoch(None, ()))
        except DagnnError as error:
            if isinstance(error, LostProcessError):
                raise
            # The main process meets the same error, and reports it.

    @contextmanager
    def epoch(self, loop: Loop) -> Iterator[None]:
        """Let the others take the steps of an epoch too, from the same random state."""
        common = random_state(self.device)
        if self.is_main:
            # Ctrl-C may come as soon as they have received it: then they take no message any more.
            self._send(common, busy=True)
        self.busy = True
        with _forked(self.device):
            torch.manual_seed(_local_seed(torch.initial_seed(), loop.epoch, self.rank))
            self.local_random = random_state(self.device)
        try:
            yield
        except DagnnError as error:
            # All processes meet the same, unless one has gone.
            self.busy = isinstance(error, LostProcessError)
            raise
        self.busy = False

    @contextmanager
    def step(self) -> Iterator[None]:
        """Let batches be shared."""
        with shared_batches():
            yield

    @contextmanager
    def fork_rng(self) -> Iterator[None]:
        """Draw random numbers of one's own: dropout of these items, not of the others' too."""
        with _forked(self.device):
            set_random_state(self.local_random, self.device)
            yield
            self.local_random = random_state(self.device)

    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average gradients over the processes."""
        average_over_processes([p.grad for p in parameters if p.grad is not None])

    def dismiss(self) -> None:
        """End the worker loops, if this is the main process and the workers receive messages."""
        if self.is_main and not self.busy:
            with suppress(LostProcessError):
                self._send(None)

    def reports(self, error: BaseException) -> bool:
        """Return whether this process is the first to stop by an error, and so reports it.

        A process that lost another knows least; of these the main one reports, if it still can.
        """
        if isinstance(error, LostProcessError) and not self.is_main:
            return False
        try:
            return bool(self.store.add("stopped by an error", 1) == 1)
        except RuntimeError:  # the process that keeps the store has gone, and reported why
            return False

    def leave(self) -> None:
        """Leave; the main process keeps the store, so it goes last."""
        if self.busy:
            return
        if not self.is_main:
            with suppress(RuntimeError):
                self.store.add(_left(self.rank), 1)
            return
        others = [_left(rank) for rank in range(1, self.world_size)]
        deadline = time.monotonic() + EXIT_PATIENCE.total_seconds()
        with suppress(RuntimeError):
            while not self.store.check(others) and time.monotonic() < deadline:
                time.sleep(0.01)

    def _send(self, message: object, *, busy: bool = False) -> None:
        """Send a message to the workers, which take no more while ``busy``."""
        if self.busy:
            raise LostProcessError("The other processes of this training were left in a step.")
        self.busy = busy
        call_collective(dist.broadcast_object_list, [message], src=0, group=self._messages)

    def _receive(self) -> Any:
        messages: list[Any] = [None]
        call_collective(dist.broadcast_object_list, messages, src=0, group=self._messages)
        return messages[0]

    def _require_own_device(self) -> None:
        if self.device.type != "cuda":
            return
        here = _environment_number("LOCAL_WORLD_SIZE", self.world_size)
        if here > torch.cuda.device_count():
            raise UsageError(
                f"{here} processes on this machine need as many GPUs; it has "
                f"{torch.cuda.device_count()}. Start fewer, or train with training.device=cpu."
            )
        if self.device.index not in (None, self.local_rank):
            raise UsageError(
                f"training.device names one GPU, {self.device}, and there are {self.world_size} "
                f"processes. Leave it at auto: each takes one of its own."
            )


def _left(rank: int) -> str:
    return f"process {rank} has left"


def _require_synced(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if isinstance(module, UNSYNCED):
            raise UsageError(
                f"{name} of the network is torch's {type(module).__name__}, whose statistics are "
                f"those of one process. Several need RunningNorm or ChannelNorm in its place."
            )


def _local_seed(seed: int, epoch: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def _forked(device: torch.device) -> Iterator[None]:
    """Bring the random state back at the end."""
    before = random_state(device)
    try:
        yield
    finally:
        set_random_state(before, device)


@contextmanager
def init_process_group() -> Iterator[ProcessGroup]:
    """Join the processes that ``torchrun`` has started; a single process joins none.

    Of several processes that stop by an error, the first to do so raises it; the others end
    without a word, as do those that Ctrl-C reaches, but for the first.

    Yields:
        The group. Its main process goes on like a single one; the others call ``run_worker``.

    Raises:
        UsageError: the processes cannot find one another, or what should count them does not.
    """
    if _environment_number("WORLD_SIZE", 1) < 2:
        yield SINGLE_PROCESS
        return
    group = _joined()
    token = GROUP.set(group)
    try:
        yield group
        group.dismiss()
    except BaseException as error:
        silent = not group.reports(error)
        group.dismiss()
        if silent:
            raise SystemExit(int(group.is_main)) from None
        raise
    finally:
        GROUP.reset(token)
        dist.destroy_process_group()
        group.leave()


def _environment_number(name: str, default: int) -> int:
    """Return a number that torchrun has put into the environment."""
    value = os.environ.get(name)
    try:
        return default if value is None else int(value)
    except ValueError:
        raise UsageError(
            f"{name} is {value!r} in the environment, and should be a whole number. Unset it to "
            f"train alone; torchrun sets it for several processes: {_START}"
        ) from None


def _joined() -> Processes:
    cuda = torch.cuda.is_available()
    local_rank = _environment_number("LOCAL_RANK", 0)
    if cuda and local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)
    try:
        store, rank, size = next(rendezvous("env://"))
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=PrefixStore("training", store),
            rank=rank,
            world_size=size,
            timeout=STEP_PATIENCE,
        )
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"WORLD_SIZE names several processes, which do not find one another ({error}). Start "
            f"them with: {_START}"
        ) from error
    if rank > 0:
        # The first process decides what Ctrl-C means; the others end when it has gone.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Processes(rank, size, local_rank, store)
