"""Finished runs, and which of them are one experiment with several seeds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from dagnn.records import ClassPredictions, Predictions, Result
from dagnn.tasks.prior import Prior

NOT_SETTINGS = ("seed", "data.path", "data.workers", "training.device")
"""Keys of where and how often something ran; data are identified by their fingerprint."""
ROLE_KEYS = ("source", "target")
"""Keys that may differ within one recipe."""

Settings = dict[str, str]
ALARM, STRESS_TEST = "ALARM", "STRESS TEST"


@dataclass(frozen=True)
class Stamp:
    """What a reader must not overlook of the numbers of one run.

    Attributes:
        word: :data:`ALARM`, :data:`STRESS_TEST`, or another word in capitals.
        subject: what it is about; two stamps of one word and subject state the same
            of two runs, perhaps with other numbers.
        text: a sentence.
        suites: short names of the suites whose numbers it concerns; without any, it
            concerns those of every network on every suite.
    """

    word: str
    subject: str
    text: str
    suites: tuple[str, ...] = ()


@dataclass(frozen=True)
class FinishedRun:
    """What a comparison reads of one run.

    Attributes:
        name: what the reader knows it by, for example its folder; parts by ``/``.
        source: labelled suites.
        target: unlabelled suites.
        seed: of split, weights and batches.
        results: rows of its results table.
        predictions: per model, suite and split; latents are not read.
        config: the resolved experiment as plain nested values.
        data: fingerprint of the data of each suite.
        mock: whether any of the data are mocks.
        oracle: whether target labels chose the checkpoint.
        revision: of the code that made it, where known.
        stamps: what its numbers are stamped with, besides MOCK and ORACLE.
        notes: other notes of its last evaluation.
        priors: prior of the training set by parameter.
    """

    name: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    seed: int
    results: Sequence[Result]
    predictions: Sequence[Predictions | ClassPredictions]
    config: Mapping[str, Any]
    data: Mapping[str, str] = field(default_factory=dict)
    mock: bool = False
    oracle: bool = False
    revision: str | None = None
    stamps: tuple[Stamp, ...] = ()
    notes: tuple[str, ...] = ()
    priors: Mapping[str, Prior] = field(default_factory=dict)

    def settings(self) -> Settings:
        """Return dotted key → value of everything that is a choice."""
        return {k: v for k, v in flatten(self.config) if k not in NOT_SETTINGS}


@dataclass(frozen=True)
class Group:
    """Runs that differ by seed only, ordered by seed.

    Attributes:
        name: short and unique among the groups of a comparison.
        runs: at least one; no seed twice.
    """

    name: str
    runs: tuple[FinishedRun, ...]

    @property
    def first(self) -> FinishedRun:
        """Return the run of the lowest seed; all others share its settings."""
        return self.runs[0]

    @property
    def seeds(self) -> dict[int, FinishedRun]:
        """Return seed → run."""
        return {run.seed: run for run in self.runs}

    @property
    def title(self) -> str:
        """Return sources and targets, for example ``tng → simba``."""
        sources, targets = "+".join(self.first.source), "+".join(self.first.target)
        return f"{sources} → {targets}" if targets else sources

    @property
    def count(self) -> str:
        """Return the number of seeds in words; a single one is called so."""
        return f"{len(self.runs)} seeds" if len(self.runs) > 1 else "single seed"

    @property
    def oracle(self) -> bool:
        """Whether target labels chose the checkpoints."""
        return self.first.oracle

    @property
    def label(self) -> str:
        """Return the name with what must not be overlooked."""
        return f"{self.name} (ORACLE)" if self.oracle else self.name

    @property
    def inherited(self) -> str | None:
        """The run whose weights and split all seeds start from, if there is one."""
        start = self.first.config.get("init_from")
        return None if start is None else str(start)

    def settings(self) -> Settings:
        """Return the settings that all runs of the group share."""
        return self.first.settings()

    def recipe(self) -> Settings:
        """Return the settings without the suites: equal in all cells of one matrix."""
        return {k: v for k, v in self.settings().items() if k not in ROLE_KEYS}


def qualifiers(groups: Iterable[Group]) -> dict[str, bool]:
    """Return whether any run is of mocks, and whether target labels chose any checkpoint."""
    runs = [run for group in groups for run in group.runs]
    return {"mock": any(run.mock for run in runs), "oracle": any(run.oracle for run in runs)}


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give dotted key and text of every value of a nested mapping.

    Example:
        >>> dict(flatten({"loss": {"terms": {"mmd": {"weight": 0.3}}}, "seed": 1}))
        {'loss.terms.mmd.weight': '0.3', 'seed': '1'}
    """
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "–"
    return "–" if value is None or value == {} else str(value)


def group_runs(runs: Sequence[FinishedRun]) -> list[Group]:
    """Collect runs that differ by seed only, in the order of their first member.

    A second run of the same settings and seed (of another version of the code, for example)
    opens a group of its own, so that no seed counts twice.
    """
    found: dict[tuple[Any, ...], list[list[FinishedRun]]] = {}
    order: list[list[FinishedRun]] = []
    for run in runs:
        key = (*sorted(run.settings().items()), *sorted(run.data.items()), run.mock, run.oracle)
        same = found.setdefault(key, [])
        home = next((m for m in same if run.seed not in {r.seed for r in m}), None)
        if home is None:
            same.append([run])
            order.append(same[-1])
        else:
            home.append(run)
    names = _names(order)
    return [
        Group(name, tuple(sorted(members, key=lambda run: run.seed)))
        for name, members in zip(names, order, strict=True)
    ]


def _names(groups: Sequence[Sequence[FinishedRun]]) -> list[str]:
    """Name each group by what its runs' names share; number those that would be equal."""
    names: list[str] = []
    for members in groups:
        name = _shared_name([run.name for run in members]) or str(members[0].config.get("name", ""))
        name = name or "+".join(members[0].source)
        count = sum(old == name or old.startswith(f"{name} #") for old in names)
        names.append(f"{name} #{count + 1}" if count else name)
    return names


def _shared_name(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    shared = []
    for parts in zip(*(PurePosixPath(name).parts for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared)


def differing(settings: Sequence[Settings]) -> dict[str, list[str]]:
    """Return the keys whose values differ, with the value in each; ``–`` where absent."""
    keys = dict.fromkeys(key for each in settings for key in each)
    values = {key: [each.get(key, "–") for each in settings] for key in keys}
    return {key: found for key, found in values.items() if len(set(found)) > 1}
