"""Every suite of an experiment, read and split."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dagnn.config import Experiment, build
from dagnn.data import MODALITIES
from dagnn.data.requests import Loaded, Modality, Truth
from dagnn.data.splits import PARTS, Split
from dagnn.losses import TERMS
from dagnn.parameters import Scaling
from dagnn.records import FloatArray
from dagnn.tasks import AnyPredictions
from dagnn.trust.label_shift import PriorInterval


@dataclass(frozen=True)
class SuiteData:
    """One suite of an experiment, read and split.

    Attributes:
        name: short name of the suite.
        role: ``source``, ``target`` or ``other``.
        loaded: dataset, which knows the number of its domain, and facts about it.
        split: train, validation and test items; None where every item is held out.
        spelling: how the experiment names it where that is not its short name: another
            spelling, or the file that describes it.
    """

    name: str
    role: str
    loaded: Loaded
    split: Split | None
    spelling: str = ""

    @property
    def asked(self) -> str:
        """What a modality finds it by."""
        return self.spelling or self.name

    @property
    def domain(self) -> int:
        """Number of the domain that the network knows it by."""
        assert self.loaded.dataset.domain is not None
        return self.loaded.dataset.domain

    def numbered(self, role: str, domain: int) -> "SuiteData":
        """Return the suite in another role, as another domain."""
        dataset = self.loaded.dataset.in_domain(domain)
        return replace(self, role=role, loaded=replace(self.loaded, dataset=dataset))

    def parts(self) -> dict[str, Tensor]:
        """Return the items of each part; ``all`` for a suite that is not split."""
        if self.split is None:
            return {"all": torch.arange(len(self.loaded.dataset))}
        return {part: torch.as_tensor(getattr(self.split, part)) for part in PARTS}


@dataclass(frozen=True)
class Prepared:
    """Every suite of an experiment.

    Attributes:
        suites: sources first, then targets, then others.
        truth: the parameters, with their scaling to prior units, or the classes.
        folder: where the data were read.
        intervals: how much of the prior each target seems to span, where that was estimated.
        shared_objects: whether equal group names in two suites mean the same object.
    """

    suites: tuple[SuiteData, ...]
    truth: Truth
    folder: Path
    intervals: tuple[PriorInterval, ...] = ()
    shared_objects: bool = False

    @property
    def scaling(self) -> Scaling:
        """Between physical and prior units; empty for classes."""
        return self.truth.scaling

    @property
    def mock(self) -> bool:
        """Whether any of the data are synthetic."""
        return any(suite.loaded.mock for suite in self.suites)

    @property
    def trained(self) -> list[str]:
        """Short names of the suites that are trained on, by their number."""
        return [suite.name for suite in self.suites if suite.split is not None]

    def of_role(self, role: str) -> list[SuiteData]:
        """Return the suites of a role."""
        return [suite for suite in self.suites if suite.role == role]


def modality_of(experiment: Experiment) -> Modality:
    """Return what reads the data of an experiment."""
    return build(MODALITIES, experiment.data, "data")


def reads_target(experiment: Experiment) -> bool:
    """Whether any domain term with a weight reads target outputs."""
    return any(
        term.weight and TERMS[term.name].needs_target for term in experiment.loss.terms.values()
    )


def summaries_of(suite: SuiteData, parts: Sequence[str]) -> FloatArray:
    """Return the summaries of the items of some parts ``[n, F]``."""
    rows = torch.cat([suite.parts()[part] for part in parts])
    values = suite.loaded.dataset.summaries().values()
    return np.stack([value[rows].double().cpu().numpy() for value in values], 1)


def truth_of(suite: SuiteData, prepared: Prepared) -> FloatArray:
    """Return the truth of the training items of a suite in prior units ``[n, P]``."""
    physical: Tensor = suite.loaded.dataset.y[suite.parts()["train"]].cpu()
    return np.asarray(prepared.scaling.to_unit(physical).double().numpy())


def stored_truth(stored: Mapping[str, Any]) -> Truth:
    """Return the parameters or classes of a checkpoint's network."""
    scaling = Scaling(**{key: tuple(value) for key, value in stored["scaling"].items()})
    return Truth(scaling, tuple(stored.get("classes", ())))


def first_of_each_split(predictions: Sequence[AnyPredictions]) -> list[AnyPredictions]:
    """Return the first predictions of every suite and split."""
    found: dict[tuple[str, str, str], AnyPredictions] = {}
    for each in predictions:
        found.setdefault((each.suite, each.role, each.split), each)
    return list(found.values())


def by_suite(
    prepared: Prepared, predictions: Sequence[AnyPredictions]
) -> Iterator[tuple[SuiteData, list[AnyPredictions], dict[str, str]]]:
    """Give every suite with the predictions of its items, and the group of each item by its id."""
    for suite in prepared.suites:
        dataset = suite.loaded.dataset
        own = [each for each in predictions if each.suite == suite.name]
        yield suite, own, dict(zip(dataset.ids, dataset.groups, strict=True))
