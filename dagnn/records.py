"""Records that several packages exchange.

Symbols: ``B`` items in a batch, ``W`` width of the latent, ``P`` parameters,
``K`` classes, ``n`` items in a dataset.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, device

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Moments(NamedTuple):
    """Mean and standard deviation of each parameter, in scaled units.

    Attributes:
        mean: ``[B, P]``.
        std: ``[B, P]``. Positive from our heads; the published networks may
            give it either sign, and only its square enters their loss.
    """

    mean: Tensor
    std: Tensor


class Logits(NamedTuple):
    """Unnormalised class scores ``[B, K]``."""

    logits: Tensor


class Output(NamedTuple):
    """Latents and predictions of a batch.

    An ensemble of ``M`` members puts a leading member axis on every tensor
    (``[M, B, W]``, ``[M, B, P]``, ``[M, B, K]``); see :func:`dagnn.nn.mixture`.

    Attributes:
        latent: ``[B, W]``, what domain terms align.
        prediction: what task losses read.
    """

    latent: Tensor
    prediction: Moments | Logits


@dataclass(frozen=True)
class Pair:
    """What a domain term may see. There is no field for target labels.

    Attributes:
        source: outputs on labelled items, all sources concatenated.
        target: outputs on unlabelled items, all targets concatenated.
        labels: source truth in scaled units, ``[B_s, P]``, or classes ``[B_s]``.
        progress: training progress in [0, 1].
        target_index: position of each target item among all target training
            items, ``[B_t]``, for terms that keep a memory.
        source_domain: domain number of each source item, ``[B_s]``, on the CPU.
        target_domain: domain number of each target item, ``[B_t]``, on the CPU.
    """

    source: Output
    target: Output
    labels: Tensor
    progress: float
    target_index: Tensor
    source_domain: Tensor
    target_domain: Tensor

    def take(self, source: Tensor, target: Tensor) -> "Pair":
        """Return the pair with some items of each side.

        Args:
            source: numbers of source items, integers.
            target: numbers of target items, integers.
        """
        where = self.labels.device
        # Validation items have no number among the training items.
        numbers = target.to(where)[: len(self.target_index)]
        return replace(
            self,
            source=_take_items(self.source, source.to(where)),
            target=_take_items(self.target, target.to(where)),
            labels=self.labels[source.to(where)],
            source_domain=self.source_domain[source.cpu()],
            target_domain=self.target_domain[target.cpu()],
            target_index=self.target_index[numbers],
        )

    def by_domain(self) -> list["Pair"]:
        """Return one pair for each source domain with each target domain."""
        sources, targets = (
            {
                number: (domains == number).nonzero().flatten()
                for number in sorted(set(domains.tolist()))
            }
            for domains in (self.source_domain, self.target_domain)
        )
        if len(sources) * len(targets) <= 1:
            return [self]
        return [self.take(rows, others) for rows in sources.values() for others in targets.values()]


def _take_items(output: Output, rows: Tensor) -> Output:
    """Return some items of an output; a member axis before them is kept."""
    columns = (column.index_select(-2, rows) for column in output.prediction)
    return Output(output.latent.index_select(-2, rows), type(output.prediction)(*columns))


class Terms(NamedTuple):
    """The value of an objective and of everything in it.

    Attributes:
        total: scalar to minimise.
        task: scalar task loss.
        domain: each domain term by name, unweighted.
    """

    total: Tensor
    task: Tensor
    domain: dict[str, Tensor]


@runtime_checkable
class Batch(Protocol):
    """What the trainer knows of a batch: its truth and its domain.

    Attributes:
        y: truth in scaled units ``[B, P]``, or classes ``[B]``.
        domain: number of the domain that every item of the batch comes from; None where the
            dataset has none, which only networks with shared statistics accept.
    """

    y: Tensor
    domain: int | None


@dataclass(frozen=True)
class TensorBatch:
    """A batch of items of one shape, such as images or summary vectors.

    Attributes:
        x: inputs: features ``[B, F]``, or brightness ``[B, C, H, W]``, where 8-bit images lie
            in [0, 1].
        y: truth in scaled units ``[B, P]``; or class ``[B]``, ``K`` for a class that the network
            does not know, −1 without label.
        domain: number of the domain that all items come from; None where it is not known.
    """

    x: Tensor
    y: Tensor
    domain: int | None = None


class Dataset(Protocol):
    """What the trainer and the evaluation know of a dataset.

    Attributes:
        ids: one name per item.
        groups: items with equal group share one truth; a split never cuts a group.
        y: truth in **physical** units ``[n, P]``, or classes ``[n]``.
        sizes: what a model needs to know (feature widths, image channels).
        domain: number of the domain, which every batch carries; None until it is set by
            :meth:`in_domain`.
    """

    @property
    def domain(self) -> int | None:
        """Number of the domain."""
        ...

    @property
    def ids(self) -> Sequence[str]:
        """One name per item."""
        ...

    @property
    def groups(self) -> Sequence[str]:
        """One group per item."""
        ...

    @property
    def y(self) -> Tensor:
        """Truth in physical units."""
        ...

    @property
    def sizes(self) -> Mapping[str, int]:
        """What a model needs to know."""
        ...

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def to(self, where: device | str) -> "Dataset":
        """Return the dataset with its tensors on a device."""
        ...

    def in_domain(self, domain: int | None) -> "Dataset":
        """Return the same items as those of a domain."""
        ...

    def summaries(self) -> dict[str, Tensor]:
        """Return a few numbers per item ``[n]`` by name, to find what is out of range."""
        ...

    def describe(self) -> dict[str, str]:
        """Say what the inputs are: feature → meaning and unit."""
        ...

    def batch(self, index: Tensor) -> Any:
        """Gather the items at ``index`` (``[B]`` integers) into one :class:`Batch`."""
        ...


@dataclass(frozen=True)
class Predictions:
    """Predictions for one split of one suite, in physical units.

    Attributes:
        suite: short suite name.
        role: ``source``, ``target`` or ``other``.
        split: ``train``, ``valid``, ``test`` or ``all``.
        ids: one name per item.
        parameters: parameter names, ``P`` of them.
        truth: ``[n, P]``; NaN where unknown.
        mean: ``[n, P]``.
        std: ``[n, P]``, positive.
        latent: ``[n, W]``.
        model: which network made them: ``model`` or ``source-only``.
        groups: items with equal group show one truth; empty where that is not known.
    """

    suite: str
    role: str
    split: str
    ids: tuple[str, ...]
    parameters: tuple[str, ...]
    truth: FloatArray
    mean: FloatArray
    std: FloatArray
    latent: FloatArray
    model: str = "model"
    groups: tuple[str, ...] = ()

    def take(self, rows: Sequence[int]) -> "Predictions":
        """Return the items of some rows, in their order."""
        chosen = {name: getattr(self, name)[rows] for name in ("truth", "mean", "std", "latent")}
        return replace(self, **chosen, **_names(self, rows))


@dataclass(frozen=True)
class ClassPredictions:
    """Class probabilities for one split of one suite.

    Attributes:
        suite: short suite name.
        role: ``source``, ``target`` or ``other``.
        split: ``train``, ``valid``, ``test`` or ``all``.
        ids: one name per item.
        classes: names of the ``K`` classes that the network knows.
        truth: class number ``[n]``; ``K`` for a class that the network does not know,
            −1 where there is no label.
        probability: ``[n, K]``, rows sum to one.
        latent: ``[n, W]``.
        model: which network made them: ``model`` or ``source-only``.
        groups: items with equal group show one object; empty where that is not known.
        novelty: how unlike all that was taught each item is, ``[n]``; above 1 it is called
            unknown. None where that is not known.
    """

    suite: str
    role: str
    split: str
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    truth: IntArray
    probability: FloatArray
    latent: FloatArray
    model: str = "model"
    groups: tuple[str, ...] = ()
    novelty: FloatArray | None = None

    def take(self, rows: Sequence[int]) -> "ClassPredictions":
        """Return the items of some rows, in their order."""
        chosen = {name: getattr(self, name)[rows] for name in ("truth", "probability", "latent")}
        novelty = None if self.novelty is None else self.novelty[rows]
        return replace(self, **chosen, **_names(self, rows), novelty=novelty)


def _names(given: Predictions | ClassPredictions, rows: Sequence[int]) -> dict[str, Any]:
    groups = tuple(given.groups[row] for row in rows) if given.groups else ()
    return {"ids": tuple(given.ids[row] for row in rows), "groups": groups}


@dataclass(frozen=True)
class Result:
    """One row of ``results.csv``.

    Attributes:
        suite: short suite name.
        role: ``source``, ``target`` or ``other``.
        split: which part of the suite was measured.
        parameter: parameter name.
        metric: metric name, see :data:`dagnn.tasks.METRICS`.
        value: the metric.
        low: lower end of the 95% bootstrap interval.
        high: upper end of the 95% bootstrap interval.
        model: ``model``, ``source-only`` or a baseline such as ``prior-mean``.
    """

    suite: str
    role: str
    split: str
    parameter: str
    metric: str
    value: float
    low: float
    high: float
    model: str = "model"


@dataclass(frozen=True)
class EpochRecord:
    """One line of ``metrics.jsonl``.

    Attributes:
        epoch: epochs finished so far, counted from 1.
        step: optimiser steps taken so far.
        learning_rate: at the end of the epoch.
        seconds: wall time of the epoch.
        train: epoch means of ``total``, ``task`` and every domain term.
        valid: label-free validation numbers (source error, source loss, latent distance).
        best: whether this epoch is the best so far by the chosen criterion.
    """

    epoch: int
    step: int
    learning_rate: float
    seconds: float
    train: dict[str, float]
    valid: dict[str, float] = field(default_factory=dict)
    best: bool = False


RECORDED_NAMES = 20
"""Names of items left out that a run record keeps per reason."""


@dataclass(frozen=True)
class Coverage:
    """How many items of a suite there are, and why some are not used.

    Attributes:
        found: items that are there, under whatever name.
        left_out: reason → names of the items.
        remarks: what else does not match, such as rows of a table without an item.
        item: what one is called.
    """

    found: int
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    item: str = "boxes"

    @property
    def used(self) -> int:
        """The number of items that are used."""
        return self.found - sum(map(len, self.left_out.values()))

    def __str__(self) -> str:
        """Return one line.

        Example:
            >>> print(Coverage(20, {"no galaxies": ("LH_3", "LH_4")}))
            20 boxes found, 18 used; left out: 2 (no galaxies: LH_3, LH_4)
        """
        lines = [f"{self.found} {self.item} found, {self.used} used"]
        lines += [
            f"left out: {len(names)} ({reason}: {few_names(names)})"
            for reason, names in self.left_out.items()
            if names
        ]
        return "; ".join((*lines, *self.remarks))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the run record."""
        left_out = {
            reason: {"count": len(names), "first": list(names[:RECORDED_NAMES])}
            for reason, names in self.left_out.items()
            if names
        }
        counts = {"found": self.found, "used": self.used, "left_out": left_out}
        return counts | {"remarks": list(self.remarks)}


def few_names(names: Sequence[str], shown: int = 3) -> str:
    """Return the first few of some names.

    Example:
        >>> few_names(["LH_0", "LH_1", "LH_2", "LH_3"])
        'LH_0, LH_1, LH_2, ...'
    """
    return ", ".join((*names[:shown], *(["..."] if len(names) > shown else [])))
