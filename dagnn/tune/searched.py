"""One searched key: a range or choices, and under which condition it counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dagnn.yaml_files import RECORD, plain

Plain = str | int | float | bool | None


class Entry(BaseModel):
    """One searched key as a file tells it.

    Attributes:
        type: ``float`` or ``int`` for a range; choices have none.
        low: lower end, included.
        high: upper end, included.
        log: whether to search in the logarithm.
        step: distance of the values that may occur.
        choices: plain values, or label → any value (for values that are lists or mappings).
        when: keys of the space → the values under which this key counts at all.
    """

    model_config = ConfigDict(**RECORD, extra="forbid")

    type: Literal["float", "int"] | None = None
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = Field(default=None, gt=0)
    choices: Annotated[list[Any] | dict[str, Any] | None, AfterValidator(plain)] = None
    when: Annotated[dict[str, Any], AfterValidator(plain)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_kind(self) -> "Entry":
        ranged = self.type is not None or self.low is not None or self.high is not None
        if ranged == (self.choices is not None):
            raise ValueError("either type, low and high, or choices")
        if self.choices is not None:
            self._check_choices()
        else:
            self._check_range()
        return self

    def _check_choices(self) -> None:
        if not self.choices or self.log or self.step is not None:
            raise ValueError("choices: at least one, without log and step")
        if isinstance(self.choices, list) and not all(
            choice is None or isinstance(choice, str | int | float | bool)
            for choice in self.choices
        ):
            raise ValueError("choices that are lists or mappings need labels: {label: value, ...}")

    def _check_range(self) -> None:
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


@dataclass(frozen=True)
class Searched:
    """One searched key.

    Attributes:
        key: dotted, as in a configuration.
        distribution: what Optuna draws from.
        meanings: what each choice stands for; empty for a range.
        when: keys → values under which this one counts.
    """

    key: str
    distribution: BaseDistribution
    meanings: Mapping[Plain, Any]
    when: Mapping[str, tuple[Plain, ...]]

    @classmethod
    def of(cls, key: str, entry: Entry) -> "Searched":
        """Make a searched key of what a file tells."""
        when = {
            other: tuple(values) if isinstance(values, list) else (values,)
            for other, values in entry.when.items()
        }
        return cls(key, _distribution(entry), _meanings(entry), when)

    def edges(self) -> list[Plain]:
        """Return low and high, or every choice."""
        if isinstance(self.distribution, CategoricalDistribution):
            return list(self.distribution.choices)
        assert isinstance(self.distribution, FloatDistribution | IntDistribution)
        return [self.distribution.low, self.distribution.high]

    def counts(self, values: Mapping[str, Plain]) -> bool:
        """Whether the values drawn so far make this key count."""
        return all(key in values and values[key] in wanted for key, wanted in self.when.items())

    def suggest(self, trial: Trial) -> Plain:
        """Draw a value."""
        drawn = self.distribution
        if isinstance(drawn, FloatDistribution):
            return trial.suggest_float(
                self.key, drawn.low, drawn.high, step=drawn.step, log=drawn.log
            )
        if isinstance(drawn, IntDistribution):
            return trial.suggest_int(
                self.key, drawn.low, drawn.high, step=drawn.step, log=drawn.log
            )
        assert isinstance(drawn, CategoricalDistribution)
        chosen: Plain = trial.suggest_categorical(self.key, drawn.choices)
        return chosen

    def meaning(self, value: Plain) -> Any:
        """Return what goes into the configuration for a drawn value."""
        return self.meanings[value] if self.meanings else value

    def drawn(self, meant: Any) -> Plain:
        """Return the drawn value that stands for one in a configuration.

        Raises:
            LookupError: it lies outside the range, or is no choice.
        """
        if self.meanings:
            for label, meaning in self.meanings.items():
                if _agrees(meaning, meant):
                    return label
            raise LookupError(self.key)
        if not self.allows(meant):
            raise LookupError(self.key)
        number: Plain = meant
        return number

    def allows(self, value: Any) -> bool:
        """Whether a value can be drawn."""
        drawn = self.distribution
        if isinstance(drawn, CategoricalDistribution):
            return value in drawn.choices
        assert isinstance(drawn, FloatDistribution | IntDistribution)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        steps = (value - drawn.low) / drawn.step if drawn.step else 0.0
        return drawn.low <= value <= drawn.high and abs(steps - round(steps)) < 1e-8


def _agrees(part: Any, whole: Any) -> bool:
    """Whether a mapping has the keys of another, and nothing in it contradicts what that says."""
    if not isinstance(part, Mapping) or not isinstance(whole, Mapping):
        return bool(part == whole)
    return all(key in whole and _agrees(part[key], whole[key]) for key in part)


def _distribution(entry: Entry) -> BaseDistribution:
    if entry.choices is not None:
        return CategoricalDistribution(list(entry.choices))
    assert entry.low is not None and entry.high is not None
    if entry.type == "int":
        low, high, step = int(entry.low), int(entry.high), int(entry.step or 1)
        return IntDistribution(low, high, log=entry.log, step=step)
    return FloatDistribution(entry.low, entry.high, log=entry.log, step=entry.step)


def _meanings(entry: Entry) -> dict[Plain, Any]:
    if entry.choices is None:
        return {}
    if isinstance(entry.choices, dict):
        return {label: entry.choices[label] for label in entry.choices}
    return {choice: choice for choice in entry.choices}
