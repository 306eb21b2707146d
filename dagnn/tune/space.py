"""The search space: ranges, choices and conditions, and how drawn values become a configuration."""

import copy
import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from dagnn.config import validated
from dagnn.errors import ConfigError, nearest
from dagnn.yaml_files import RECORD, plain

Plain = str | int | float | bool | None
Values = dict[str, Plain]

_OTHER_DATA = "changes the data that scores are measured on"
FIXED = {
    "name": "is a label",
    "seed": "changes the split, so scores could not be compared",
    "source": _OTHER_DATA,
    "target": _OTHER_DATA,
    "init_from": "changes the split, so scores could not be compared",
    "evaluation": "changes nothing that is scored",
    "calibration": "changes error bars after training, which no score sees",
    "data.name": _OTHER_DATA,
    "data.path": _OTHER_DATA,
    "data.set": _OTHER_DATA,
    "data.volume": _OTHER_DATA,
    "data.target_prior": "restricts targets by their labels",
    "data.limit": _OTHER_DATA,
    "data.split": _OTHER_DATA,
    "data.parameters": "changes what is predicted",
    "data.mock_boxes": _OTHER_DATA,
    "data.workers": "changes nothing that is scored",
    "training.device": "changes nothing that is scored",
    "training.select_on": "is how a checkpoint is chosen; search the score itself instead",
}
"""Keys that may not be searched, and why."""


class Dimension(BaseModel):
    """One searched key: a range or choices, and the condition under which it is drawn.

    Attributes:
        type: ``float`` or ``int`` for a range; choices have none.
        low: lower end, included.
        high: upper end, included.
        log: whether to search in the logarithm.
        step: distance of the values that may occur.
        choices: plain values, or label → any value (for values that are lists or mappings).
        when: keys of the space → the values under which this key is drawn at all.
    """

    model_config = ConfigDict(**RECORD, extra="forbid")

    type: Literal["float", "int"] | None = None
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = Field(default=None, gt=0)
    choices: Annotated[list[Any] | dict[str, Any] | None, AfterValidator(plain)] = None
    when: Annotated[dict[str, list[Any]], AfterValidator(plain)] = Field(default_factory=dict)

    @field_validator("when", mode="before")
    @classmethod
    def _as_lists(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {key: each if isinstance(each, list) else [each] for key, each in value.items()}

    @model_validator(mode="after")
    def _range_or_choices(self) -> "Dimension":
        ranged = self.type is not None or self.low is not None or self.high is not None
        if ranged == (self.choices is not None):
            raise ValueError("either type, low and high, or choices")
        if self.choices is not None:
            if not self.choices or self.log or self.step is not None:
                raise ValueError("choices: at least one, without log and step")
            if any(isinstance(choice, list | dict) for choice in self.choices):
                raise ValueError(
                    "choices that are lists or mappings need labels: {label: value, ...}"
                )
            return self
        if self.type is None or self.low is None or self.high is None:
            raise ValueError("a range needs type (float or int), low and high")
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must be positive, got low {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range has no step")
        given = [self.low, self.high, *([self.step] if self.step else [])]
        if self.type == "int" and any(value != int(value) for value in given):
            raise ValueError("an int range has whole numbers for low, high and step")
        return self

    @cached_property
    def distribution(self) -> CategoricalDistribution | FloatDistribution | IntDistribution:
        """What Optuna draws from."""
        if self.choices is not None:
            return CategoricalDistribution(list(self.choices))
        assert self.low is not None and self.high is not None
        if self.type == "int":
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return IntDistribution(low, high, log=self.log, step=step)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    @property
    def meanings(self) -> dict[Plain, Any]:
        """Drawn value → value in the configuration; empty for a range."""
        choices = self.choices or {}
        pairs = choices.items() if isinstance(choices, dict) else zip(choices, choices, strict=True)
        return dict(pairs)

    @property
    def edges(self) -> list[Plain]:
        """Low and high, or every choice."""
        drawn = self.distribution
        if isinstance(drawn, CategoricalDistribution):
            return list(drawn.choices)
        return [drawn.low, drawn.high]

    def applies(self, values: Mapping[str, Plain]) -> bool:
        """Whether the values drawn so far meet the condition."""
        return all(key in values and values[key] in wanted for key, wanted in self.when.items())

    def suggest(self, trial: Trial, key: str) -> Plain:
        """Draw a value."""
        drawn = self.distribution
        value: Plain
        if isinstance(drawn, CategoricalDistribution):
            value = trial.suggest_categorical(key, drawn.choices)
        elif isinstance(drawn, IntDistribution):
            value = trial.suggest_int(key, drawn.low, drawn.high, step=drawn.step, log=drawn.log)
        else:
            value = trial.suggest_float(key, drawn.low, drawn.high, step=drawn.step, log=drawn.log)
        return value

    def allows(self, value: Any) -> bool:
        """Whether a value can be drawn."""
        drawn = self.distribution
        if isinstance(drawn, CategoricalDistribution):
            return value in drawn.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        steps = (value - drawn.low) / drawn.step if drawn.step else 0.0
        return drawn.low <= value <= drawn.high and abs(steps - round(steps)) < 1e-8

    def drawn_as(self, value: Any) -> Plain:
        """Return the drawn value of a value in a configuration.

        Raises:
            LookupError: it lies outside the range, or is no choice.
        """
        if self.choices is not None:
            return next(label for label, part in self.meanings.items() if _agrees(part, value))
        if not self.allows(value):
            raise LookupError(value)
        number: Plain = value
        return number

    def grid(self) -> list[Plain]:
        """Return every value that can be drawn.

        Raises:
            ValueError: there are infinitely many.
        """
        drawn = self.distribution
        if isinstance(drawn, CategoricalDistribution):
            return list(drawn.choices)
        if drawn.step is None or drawn.log:
            raise ValueError("is continuous. Give it a step, or choices.")
        count = int((drawn.high - drawn.low) / drawn.step + 1e-9) + 1
        cast = int if isinstance(drawn, IntDistribution) else float
        return [cast(drawn.low + k * drawn.step) for k in range(count)]


@dataclass(frozen=True)
class Space:
    """Everything that is searched, conditions after what they depend on.

    Attributes:
        dimensions: dotted key → range or choices, in the order of the file.
    """

    dimensions: dict[str, Dimension]

    @classmethod
    def of(cls, entries: Mapping[str, Any], where: str) -> "Space":
        """Read a space.

        Args:
            entries: dotted key → range or choices.
            where: the file, for messages.

        Raises:
            ConfigError: an entry is not valid.
        """
        dimensions: dict[str, Dimension] = {}
        for key, value in entries.items():
            _require_searchable(key, where)
            tree = value if isinstance(value, Mapping) else {"choices": value}
            dimension = validated(Dimension, tree, f"{where}: space.{key}")
            _require_known(key, dimension, dimensions, where)
            dimensions[key] = dimension
        return cls(dimensions)

    @property
    def keys(self) -> list[str]:
        """Every searched key."""
        return list(self.dimensions)

    @property
    def conditional(self) -> bool:
        """Whether any key is drawn under a condition only."""
        return any(dimension.when for dimension in self.dimensions.values())

    def suggest(self, trial: Trial) -> Values:
        """Draw a value of every key whose condition is met."""
        values: Values = {}
        for key, dimension in self.dimensions.items():
            if dimension.applies(values):
                values[key] = dimension.suggest(trial, key)
        return values

    def put(self, values: Mapping[str, Plain], tree: Mapping[str, Any]) -> dict[str, Any]:
        """Return an experiment's tree with drawn values put in, in the order of the file."""
        changed = dict(tree)
        for key, dimension in self.dimensions.items():
            if key in values:
                meaning = dimension.meanings.get(values[key], values[key])
                changed = with_value(changed, key, meaning)
        return changed

    def edges(self) -> Iterator[tuple[str, Plain, Values]]:
        """Give (key, edge, values) for every end of a range and every choice.

        The values include those that meet the condition of the key.
        """
        for key, dimension in self.dimensions.items():
            needed = self._condition(key)
            for edge in dimension.edges:
                yield key, edge, {**needed, key: edge}

    def _condition(self, key: str) -> Values:
        """Return the first values that meet the condition of a key."""
        values: Values = {}
        for other, wanted in self.dimensions[key].when.items():
            values |= {**self._condition(other), other: wanted[0]}
        return values

    def drawn_from(self, tree: Mapping[str, Any]) -> Values | None:
        """Return the drawn values that would give an experiment's tree; None if none would."""
        values: Values = {}
        try:
            for key, dimension in self.dimensions.items():
                if dimension.applies(values):
                    values[key] = dimension.drawn_as(_value_at(tree, key))
        except (LookupError, StopIteration):
            return None
        return values

    def grid(self, seed: int) -> list[Values]:
        """Return every combination in a random order.

        Raises:
            ConfigError: a key is continuous or conditional.
        """
        if self.conditional:
            raise ConfigError("sampler grid: conditions (when) make no grid. Use tpe or random.")
        axes = []
        for key, dimension in self.dimensions.items():
            try:
                axes.append(dimension.grid())
            except ValueError as error:
                raise ConfigError(f"sampler grid: space.{key} {error}") from None
        points = [dict(zip(self.keys, values, strict=True)) for values in itertools.product(*axes)]
        random.Random(seed).shuffle(points)
        return points

    def describe(self) -> dict[str, Any]:
        """Return plain values that differ wherever two spaces differ."""
        return {
            key: {
                "distribution": repr(dimension.distribution),
                "meanings": {str(label): value for label, value in dimension.meanings.items()},
                "when": dimension.when,
            }
            for key, dimension in self.dimensions.items()
        }


def with_value(tree: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a tree with one dotted key set; a component that gets another name loses its options.

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


def _value_at(tree: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(tree, Mapping):
            raise LookupError(key)
        tree = tree[part]
    return tree


def _agrees(part: Any, whole: Any) -> bool:
    """Whether a mapping has the keys of another, with equal values."""
    if not isinstance(part, Mapping) or not isinstance(whole, Mapping):
        return bool(part == whole)
    return all(key in whole and _agrees(part[key], whole[key]) for key in part)


def _require_searchable(key: str, where: str) -> None:
    for fixed, reason in FIXED.items():
        if key == fixed or key.startswith(f"{fixed}."):
            raise ConfigError(f"{where}: space.{key} cannot be searched: it {reason}.")
        if fixed.startswith(f"{key}."):
            raise ConfigError(
                f"{where}: space.{key} cannot be searched as a whole: its part {fixed} {reason}."
            )


def _require_known(
    key: str, dimension: Dimension, above: Mapping[str, Dimension], where: str
) -> None:
    """Check that conditions name earlier keys, and values that these can have."""
    for other, wanted in dimension.when.items():
        if other not in above:
            raise ConfigError(
                f"{where}: space.{key}.when names {other!r}, which the space does not have above "
                f"it. {nearest(other, above)}"
            )
        for value in wanted:
            if not above[other].allows(value):
                raise ConfigError(
                    f"{where}: space.{key}.when: {other} is never {value!r}. "
                    f"{nearest(str(value), map(str, above[other].edges))}"
                )
