"""Two predictors on the items that both predicted: one object for parameters, one for classes."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from dagnn.evaluation.class_paired import paired_class_bootstrap
from dagnn.evaluation.paired import Difference, paired_bootstrap
from dagnn.evaluation.prior import Prior
from dagnn.records import ClassPredictions, FloatArray, Predictions

AnyPredictions = Predictions | ClassPredictions


class Pairing(Protocol):
    """How two predictors of one kind are paired."""

    what: str

    def asked(self, given: Any) -> tuple[str, ...]:
        """Return what was asked for, by name."""
        ...

    def common(self, one: Any, two: Any) -> list[str]:
        """Return the items that both predicted and whose truths agree, in the first's order."""
        ...

    def differences(
        self, one: Any, two: Any, items: Sequence[str], seed: int, metrics: Collection[str]
    ) -> list[Difference]:
        """Compare both on some common items by some metrics."""
        ...


class _OfParameters:
    what = "parameters are inferred"

    def asked(self, given: Predictions) -> tuple[str, ...]:
        return given.parameters

    def common(self, one: Predictions, two: Predictions) -> list[str]:
        shared = [name for name in one.parameters if name in two.parameters]
        if not shared:
            return []
        truths = [dict(zip(p.ids, _columns(p, shared)[0], strict=True)) for p in (one, two)]
        return [
            item
            for item, truth in truths[0].items()
            if item in truths[1] and np.allclose(truth, truths[1][item], rtol=1e-6, equal_nan=True)
        ]

    def differences(
        self,
        one: Predictions,
        two: Predictions,
        items: Sequence[str],
        seed: int,
        metrics: Collection[str],
    ) -> list[Difference]:
        names = tuple(name for name in one.parameters if name in two.parameters)
        prior = {name: Prior.of(name) for name in names}
        left, right = (_restricted(each, items, names) for each in (one, two))
        return paired_bootstrap(
            left, right, prior, seed=seed, groups=_group_of(left), metrics=metrics
        )


def _columns(given: Predictions, names: Sequence[str]) -> list[FloatArray]:
    columns = [given.parameters.index(name) for name in names]
    return [values[:, columns] for values in (given.truth, given.mean, given.std)]


def _rows(given: AnyPredictions, items: Sequence[str]) -> list[int]:
    place = {item: row for row, item in enumerate(given.ids)}
    return [place[item] for item in items]


def _group_of(given: AnyPredictions) -> dict[str, str]:
    return dict(zip(given.ids, given.groups or given.ids, strict=True))


def _restricted(given: Predictions, items: Sequence[str], names: Sequence[str]) -> Predictions:
    """Keep some items and parameters, in the order asked for."""
    taken = given.take(_rows(given, items))
    truth, mean, std = _columns(taken, names)
    return replace(taken, parameters=tuple(names), truth=truth, mean=mean, std=std)


class _OfClasses:
    what = "classes are predicted"

    def asked(self, given: ClassPredictions) -> tuple[str, ...]:
        return given.classes

    def common(self, one: ClassPredictions, two: ClassPredictions) -> list[str]:
        # Numbers and probabilities mean something in the order of the classes only.
        if one.classes != two.classes:
            return []
        truths = [dict(zip(p.ids, p.truth.tolist(), strict=True)) for p in (one, two)]
        return [item for item, truth in truths[0].items() if truths[1].get(item) == truth]

    def differences(
        self,
        one: ClassPredictions,
        two: ClassPredictions,
        items: Sequence[str],
        seed: int,
        metrics: Collection[str],
    ) -> list[Difference]:
        left, right = (each.take(_rows(each, items)) for each in (one, two))
        return paired_class_bootstrap(
            left, right, seed=seed, groups=_group_of(left), metrics=metrics
        )


_PAIRINGS: MappingProxyType[type, Pairing] = MappingProxyType(
    {Predictions: _OfParameters(), ClassPredictions: _OfClasses()}
)


def pairing_of(given: AnyPredictions) -> Pairing:
    """Return how predictions of this kind are paired."""
    return _PAIRINGS[type(given)]


def common_items(one: AnyPredictions, two: AnyPredictions) -> list[str]:
    """Return the items that both predicted and whose truths agree, in the order of the first."""
    return pairing_of(one).common(one, two) if type(one) is type(two) else []
