"""Streams of batches: labelled sources and unlabelled targets, drawn side by side."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dagnn.collective import local_rows
from dagnn.errors import CheckpointError, DataError
from dagnn.records import Batch, Dataset


class Draw(NamedTuple):
    """One step's batches.

    Attributes:
        sources: one batch per source stream.
        targets: one batch per target stream; none where none are drawn.
        target_index: position of each target item among all target training
            items, ``[B_t]``, in the order of the concatenated target batches.
    """

    sources: list[Batch]
    targets: list[Batch]
    target_index: Tensor


class Stream:
    """An endless sequence of equally large batches from one part of one dataset.

    Every pass is a fresh permutation. The last, partial batch of a pass is
    completed from the next permutation, so nothing is dropped and every batch
    has the same size; no item comes twice in one batch. A part that is smaller
    than the batch gives all of itself each time.

    The random numbers come from a generator of its own, on the CPU, seeded by
    ``seed`` and ``domain``: what other streams draw, or whether they draw at
    all, changes nothing here.

    Args:
        dataset: where the items are; it knows its domain.
        index: positions of the items of this part, ``[n]``.
        batch_size: items per batch.
        seed: of the permutations.

    Attributes:
        domain: number of the domain.

    Raises:
        DataError: the part is empty.
        ValueError: the batch size is not positive, or the dataset has no domain.
    """

    def __init__(self, dataset: Dataset, index: ArrayLike, batch_size: int, seed: int = 0) -> None:
        if dataset.domain is None:
            raise ValueError(
                f"A stream needs to know the domain of {dataset!r}. Set it: "
                "dataset.in_domain(number)."
            )
        self.domain = domain = dataset.domain
        self.index = torch.as_tensor(np.asarray(index, dtype=np.int64))
        if batch_size < 1:
            raise ValueError(f"A batch needs at least one item, got batch_size={batch_size}.")
        if len(self.index) == 0:
            raise DataError(f"Domain {domain} has no items to draw from. Check its split.")
        self.dataset = dataset
        self.batch_size = min(batch_size, len(self.index))
        self._generator = torch.Generator().manual_seed(_mix(seed, domain))
        self._order = self._permutation()
        self._used = 0

    def __len__(self) -> int:
        """Return the number of items in one pass."""
        return len(self.index)

    @property
    def steps(self) -> int:
        """Batches that one pass over all items takes, counting a partial one."""
        return -(-len(self) // self.batch_size)

    def draw(self) -> tuple[Batch, Tensor]:
        """Return the next batch and the positions ``[B]`` of its items within this part.

        Where several processes share batches, the positions are those of the whole batch.
        """
        positions = self._next_positions()
        rows = local_rows(self.index[positions]).to(self.dataset.y.device)
        batch: Batch = self.dataset.batch(rows)
        return batch, positions

    def _next_positions(self) -> Tensor:
        chosen = self._order[self._used : self._used + self.batch_size]
        self._used += len(chosen)
        if len(chosen) < self.batch_size:
            chosen = torch.cat([chosen, self._start_pass(chosen)])
        return chosen

    def _start_pass(self, leftover: Tensor) -> Tensor:
        """Begin a new permutation; return what completes a batch that holds ``leftover``."""
        order = self._permutation()
        fresh = torch.nonzero(~torch.isin(order, leftover)).flatten()
        first = fresh[: self.batch_size - len(leftover)]
        later = torch.ones(len(order), dtype=torch.bool)
        later[first] = False
        self._order = torch.cat([order[first], order[later]])
        self._used = len(first)
        return order[first]

    def _permutation(self) -> Tensor:
        return torch.randperm(len(self.index), generator=self._generator)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides the next draws: tensors and plain values."""
        return {
            "generator": self._generator.get_state(),
            "order": self._order.clone(),
            "used": self._used,
            "batch_size": self.batch_size,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where a stored stream stood.

        Raises:
            CheckpointError: the stored stream has other numbers of items.
        """
        stored = (len(state["order"]), state["batch_size"])
        if stored != (len(self), self.batch_size):
            raise CheckpointError(
                f"The checkpoint drew batches of {stored[1]} from {stored[0]} items of domain "
                f"{self.domain}; now they are {self.batch_size} of {len(self)}. "
                f"Resume with the data and batch size of the run."
            )
        self._generator.set_state(state["generator"])
        self._order = state["order"].clone()
        self._used = state["used"]

    def __repr__(self) -> str:
        """Return domain, items and batch size."""
        return f"Stream(domain={self.domain}, items={len(self)}, batch_size={self.batch_size})"


class Domains:
    """Several labelled sources and several unlabelled targets, drawn side by side.

    An epoch is a fixed number of steps; every step draws one batch from each
    stream. Shorter streams simply cycle.

    Args:
        sources: streams of labelled domains, at least one.
        targets: streams of unlabelled domains; may be empty.
        steps: steps per epoch; by default one pass over the longest source.

    Raises:
        ValueError: there is no source, or the number of steps is not positive.
    """

    def __init__(
        self, sources: Sequence[Stream], targets: Sequence[Stream] = (), steps: int | None = None
    ) -> None:
        if not sources:
            raise ValueError("Training needs at least one labelled source.")
        if steps is not None and steps < 1:
            raise ValueError(f"An epoch needs at least one step, got steps={steps}.")
        self.sources = list(sources)
        self.targets = list(targets)
        self.steps = steps or max(stream.steps for stream in sources)
        sizes = [len(stream) for stream in self.targets]
        self._offsets = [sum(sizes[:number]) for number in range(len(sizes))]

    def draw(self, targets: bool = True) -> Draw:
        """Return the next batches.

        Args:
            targets: whether to draw from the targets at all. Without, their
                datasets are not touched and their streams stay where they are.
        """
        sources = [stream.draw()[0] for stream in self.sources]
        drawn = [stream.draw() for stream in self.targets] if targets else []
        positions = [
            place + offset for (_, place), offset in zip(drawn, self._offsets, strict=False)
        ]
        index = torch.cat(positions) if positions else torch.zeros(0, dtype=torch.int64)
        return Draw(sources, [batch for batch, _ in drawn], index)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of every stream."""
        return {
            "sources": [stream.state_dict() for stream in self.sources],
            "targets": [stream.state_dict() for stream in self.targets],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue every stream exactly where it stood.

        Raises:
            CheckpointError: the stored run had other numbers of domains or items.
        """
        for role, streams in (("sources", self.sources), ("targets", self.targets)):
            if len(state[role]) != len(streams):
                raise CheckpointError(
                    f"The checkpoint was trained with {len(state[role])} {role}, now there are "
                    f"{len(streams)}. Resume with the suites of the run."
                )
            for stream, stored in zip(streams, state[role], strict=True):
                stream.load_state_dict(stored)

    def __repr__(self) -> str:
        """Return the streams and the steps."""
        return f"Domains(sources={self.sources}, targets={self.targets}, steps={self.steps})"


def _mix(seed: int, domain: int) -> int:
    """Return one seed from two, so that domains do not share permutations."""
    return int(np.random.SeedSequence([seed, domain]).generate_state(1)[0])
