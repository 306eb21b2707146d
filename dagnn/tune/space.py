"""The search space: every searched key, and how drawn values become a configuration."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import Trial

from dagnn.config import validated
from dagnn.errors import ConfigError, nearest
from dagnn.tune.searched import Entry, Plain, Searched

Values = dict[str, Plain]

FIXED = {
    "name": "is a label",
    "seed": "changes the split, so scores could not be compared",
    "source": "changes the data that scores are measured on",
    "target": "changes the data that scores are measured on",
    "init_from": "changes the split, so scores could not be compared",
    "evaluation": "changes nothing that is scored",
    "calibration": "changes error bars after training, which no score sees",
    "data.name": "changes the data that scores are measured on",
    "data.path": "changes the data that scores are measured on",
    "data.set": "changes the data that scores are measured on",
    "data.volume": "changes the data that scores are measured on",
    "data.target_prior": "restricts targets by their labels",
    "data.limit": "changes the data that scores are measured on",
    "data.split": "changes the data that scores are measured on",
    "data.parameters": "changes what is predicted",
    "data.mock_boxes": "changes the data that scores are measured on",
    "data.workers": "changes nothing that is scored",
    "training.device": "changes nothing that is scored",
    "training.select_on": "is how a checkpoint is chosen; search the score itself instead",
}
"""Keys that may not be searched, and why."""


@dataclass(frozen=True)
class Space:
    """Everything that is searched, conditions after what they depend on.

    Attributes:
        searched: in the order of the file.
    """

    searched: tuple[Searched, ...]

    @classmethod
    def of(cls, entries: Mapping[str, Any], where: str) -> "Space":
        """Read a space.

        Args:
            entries: dotted key → range or choices.
            where: the file, for messages.

        Raises:
            ConfigError: an entry cannot be meant.
        """
        searched: list[Searched] = []
        for key, value in entries.items():
            _require_searchable(key, where)
            tree = value if isinstance(value, Mapping) else {"choices": value}
            entry = validated(Entry, tree, f"{where}: space.{key}")
            _require_known(key, entry, searched, where)
            searched.append(Searched.of(key, entry))
        return cls(tuple(searched))

    @property
    def keys(self) -> list[str]:
        """Every searched key."""
        return [one.key for one in self.searched]

    @property
    def conditional(self) -> bool:
        """Whether any key counts under a condition only."""
        return any(one.when for one in self.searched)

    def suggest(self, trial: Trial) -> Values:
        """Draw a value of every key that counts."""
        values: Values = {}
        for one in self.searched:
            if one.counts(values):
                values[one.key] = one.suggest(trial)
        return values

    def put(self, values: Mapping[str, Plain], tree: Mapping[str, Any]) -> dict[str, Any]:
        """Return an experiment's tree with drawn values put in, in the order of the file."""
        changed = dict(tree)
        for one in self.searched:
            if one.key in values:
                changed = with_value(changed, one.key, one.meaning(values[one.key]))
        return changed

    def edges(self) -> Iterator[tuple[str, Plain, Values]]:
        """Give (key, edge, values) for every end of a range and every choice.

        The values hold what else must be drawn for the key to count.
        """
        for one in self.searched:
            needed = self._enabling(one)
            for edge in one.edges():
                yield one.key, edge, {**needed, one.key: edge}

    def _enabling(self, one: Searched) -> Values:
        """Return values under which a key counts: the first of each condition."""
        values: Values = {}
        by_key = {other.key: other for other in self.searched}
        for key, wanted in one.when.items():
            values |= self._enabling(by_key[key])
            values[key] = wanted[0]
        return values

    def drawn_from(self, tree: Mapping[str, Any]) -> Values | None:
        """Return the drawn values that would give an experiment's tree; None if none would."""
        values: Values = {}
        try:
            for one in self.searched:
                if one.counts(values):
                    values[one.key] = one.drawn(_value_at(tree, one.key))
        except LookupError:
            return None
        return values

    def describe(self) -> dict[str, Any]:
        """Return plain values that differ wherever two spaces differ."""
        return {
            one.key: {
                "distribution": repr(one.distribution),
                "meanings": {str(label): value for label, value in one.meanings.items()},
                "when": {key: list(values) for key, values in one.when.items()},
            }
            for one in self.searched
        }


def with_value(tree: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a tree with one dotted key set; a part that gets another name loses its options.

    Example:
        >>> with_value({"training": {"epochs": 30}}, "training.epochs", 5)
        {'training': {'epochs': 5}}
        >>> with_value({"task": {"name": "a", "floor": 1}}, "task.name", "b")
        {'task': {'name': 'b'}}
    """
    head, _, rest = key.partition(".")
    changed = dict(tree)
    if not rest:
        if head == "name" and changed.get("name") != value and len(changed) > 1:
            changed = {}
        changed[head] = copy.deepcopy(value)
        return changed
    below = changed.get(head)
    changed[head] = with_value(below if isinstance(below, Mapping) else {}, rest, value)
    return changed


def _value_at(tree: Mapping[str, Any], key: str) -> Any:
    found: Any = tree
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise LookupError(key)
        found = found[part]
    return found


def _require_searchable(key: str, where: str) -> None:
    for fixed, reason in FIXED.items():
        if key == fixed or key.startswith(f"{fixed}."):
            raise ConfigError(f"{where}: space.{key} cannot be searched: it {reason}.")
        if fixed.startswith(f"{key}."):
            raise ConfigError(
                f"{where}: space.{key} cannot be searched as a whole: its part {fixed} {reason}."
            )


def _require_known(key: str, entry: Entry, above: Sequence[Searched], where: str) -> None:
    """Check that conditions name keys that stand above, and values that these can have."""
    known = {one.key: one for one in above}
    for other, wanted in entry.when.items():
        if other not in known:
            raise ConfigError(
                f"{where}: space.{key}.when names {other!r}, which the space does not have above "
                f"it. {nearest(other, known)}"
            )
        for value in wanted if isinstance(wanted, list) else [wanted]:
            if not known[other].allows(value):
                raise ConfigError(
                    f"{where}: space.{key}.when: {other} is never {value!r}. "
                    f"{nearest(str(value), map(str, known[other].edges()))}"
                )
