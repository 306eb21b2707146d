"""Checkpoints: whole or absent, tensors and plain values only."""

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from torch import Tensor, nn

from dagnn.errors import CheckpointError
from dagnn.files import atomic_path
from dagnn.nn import require_finite
from dagnn.stored import read_torch, reading

FORMAT = "dagnn checkpoint 1"
_ANOTHER = "Use another checkpoint of the run, or train again."
State = dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """Everything about a training run between two epochs.

    Attributes:
        network: state dict of the network.
        objective: state dict of the objective, with the parameters of its terms.
        optimizer: state dict of the optimiser.
        domains: state of every stream of batches.
        random: states of torch's generators, ``cpu`` and, where used, ``cuda``.
        epoch: epochs finished.
        step: optimiser steps taken.
        total_steps: steps of the whole plan.
        settings: the training settings that a resumed run must share.
        history: one plain dict per epoch record.
        best_network: network of the best epoch so far, or None where that is this one.
        meta: plain values of the caller (configuration, scaling, splits, domain names).
    """

    network: State
    objective: State
    optimizer: State
    domains: State
    random: State
    epoch: int
    step: int
    total_steps: int
    settings: State
    history: list[State]
    best_network: State | None = None
    meta: State = field(default_factory=dict)

    @property
    def selected(self) -> State:
        """The state dict of the best network up to this epoch."""
        return self.network if self.best_network is None else self.best_network


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint atomically."""
    content = {entry.name: getattr(checkpoint, entry.name) for entry in fields(checkpoint)}
    # In memory first: a full disk makes torch fail in ways of its own.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint onto the CPU; nothing in the file is executed.

    Raises:
        CheckpointError: the file is missing, cut short, something else, or holds weights that
            are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path}. Did the run write its first one?")
    content = read_torch(path, _ANOTHER)
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise CheckpointError(
            f"{path} is a torch file, but not a checkpoint of this version of dagnn "
            f"(expected format {FORMAT!r})."
        )
    absent = {entry.name for entry in fields(Checkpoint)} - content.keys()
    if absent:
        raise CheckpointError(f"{path} lacks {', '.join(sorted(absent))}. Train again.")
    with reading(path, _ANOTHER, CheckpointError):
        found = Checkpoint(**content)
        _require_types(found)
        for stored in (found.network, found.selected, found.objective):
            require_finite(stored, path)
    return found


def _require_types(checkpoint: Checkpoint) -> None:
    """Raise unless every entry is of the kind that it was written as."""
    for entry in fields(Checkpoint):
        value = getattr(checkpoint, entry.name)
        number = entry.name in ("epoch", "step", "total_steps")
        kind = int if number else list if entry.name == "history" else dict
        absent = entry.name == "best_network" and value is None
        if not absent and (not isinstance(value, kind) or isinstance(value, bool)):
            raise TypeError(f"{entry.name} is a {type(value).__name__}")


def load_weights(module: nn.Module, weights: Mapping[str, Any], what: str = "network") -> None:
    """Put stored weights into a module of the same shape.

    Args:
        module: network or objective.
        weights: its stored state dict.
        what: how messages call the module.

    Raises:
        CheckpointError: names or shapes differ.
    """
    try:
        module.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"The checkpoint holds another {what}: {error}. "
            f"Use the configuration that the run was trained with."
        ) from error


class Checkpoints:
    """Writes ``last.pt`` and ``best.pt`` of one run into a folder.

    Args:
        folder: where to write; made when the first checkpoint is.
        meta: plain values that every checkpoint carries along.
        resume_command: with which an interrupted run continues.

    Raises:
        TypeError: ``meta`` holds something that a safe load would refuse.
    """

    def __init__(
        self, folder: Path | str, meta: Mapping[str, Any] | None = None, resume_command: str = ""
    ) -> None:
        self.folder = Path(folder)
        self.meta = dict(meta or {})
        _require_plain(self.meta, "meta")
        self.resume_command = (
            resume_command or f"dagnn train --resume {quote(str(self.folder.parent))}"
        )
        self.epoch: int | None = None

    @property
    def last(self) -> Path:
        """The newest checkpoint, from which a run is resumed."""
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        """The checkpoint that the selection criterion prefers."""
        return self.folder / "best.pt"

    def save(self, checkpoint: Checkpoint, best: bool) -> None:
        """Write ``last.pt`` and, where this epoch is the best so far, ``best.pt``."""
        save_checkpoint(checkpoint, self.last)
        if best:
            with atomic_path(self.best) as temporary:
                shutil.copyfile(self.last, temporary)
        self.epoch = checkpoint.epoch

    def kept(self) -> str:
        """Return a sentence about what is safe on disk."""
        if self.epoch is None:
            return "No checkpoint was written yet."
        done = f"after epoch {self.epoch}" if self.epoch else "before the first epoch"
        return f"The state {done} is kept in {self.last}."


def _require_plain(value: object, where: str) -> None:
    """Raise unless a value survives a load that executes nothing."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            _require_plain(key, where)
            _require_plain(entry, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for position, entry in enumerate(value):
            _require_plain(entry, f"{where}[{position}]")
    elif type(value) not in (str, int, float, bool, type(None)) and not isinstance(value, Tensor):
        raise TypeError(
            f"A checkpoint takes tensors and plain values only; {where} is a "
            f"{type(value).__module__}.{type(value).__qualname__}."
        )


RandomState = Mapping[str, Tensor]


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the generators that training on a device draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(states: RandomState, device: torch.device) -> None:
    """Let the generators go on from stored states; a state that is not there changes nothing."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
