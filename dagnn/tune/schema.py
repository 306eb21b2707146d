"""What a study file may say."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dagnn.config import Component
from dagnn.errors import nearest
from dagnn.run.scores import SCORES
from dagnn.yaml_files import RECORD


class _Strict(BaseModel):
    model_config = ConfigDict(**RECORD, extra="forbid")


class Start(_Strict):
    """The experiment that trials are variations of.

    Attributes:
        config: YAML file, or a shipped name.
        source: labelled suites, instead of the configuration's.
        target: unlabelled suites, instead of the configuration's.
        set: dotted key → value.
    """

    config: str = "base"
    source: list[str] | None = None
    target: list[str] | None = None
    set: dict[str, Any] = Field(default_factory=dict)


class Budget(_Strict):
    """When a study is done; the first limit counts.

    Attributes:
        trials: finished, pruned or failed trials of all workers together.
        hours: of one worker; the trial that runs then is finished.
    """

    trials: int = Field(default=30, ge=1)
    hours: float | None = Field(default=None, gt=0)


class StudyFile(_Strict):
    """What a study file may say.

    Attributes:
        name: of the study in its storage; the file's name if left out.
        experiment: what is varied.
        space: dotted key → range or choices.
        objectives: label-free scores to minimise, see :data:`~dagnn.run.scores.SCORES`.
        sampler: how trials are proposed.
        pruner: when a trial is given up early.
        prune_on: validation number of every epoch that the pruner watches.
        budget: when the study is done.
        reverse_validation: whether to record ``reverse_error``; doubles the time.
        start_from_default: whether the experiment as it stands is the first trial.
        seed: of the sampler.
    """

    name: str = ""
    experiment: Start = Start()
    space: dict[str, Any] = Field(min_length=1)
    objectives: dict[str, Literal["minimize"]] = Field(
        default={"source_error": "minimize"}, min_length=1
    )
    sampler: Component = Component(name="tpe")
    pruner: Component = Component(name="none")
    prune_on: Literal["source_error", "source_loss"] = "source_error"
    budget: Budget = Budget()
    reverse_validation: bool = False
    start_from_default: bool = True
    seed: int = Field(default=0, ge=0)

    @field_validator("objectives", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        names = [value] if isinstance(value, str) else value
        if isinstance(names, Sequence):
            names = dict.fromkeys(names, "minimize")
        for name in names if isinstance(names, Mapping) else ():
            if name not in SCORES:
                raise ValueError(
                    f"there is no label-free score {name!r}. {nearest(str(name), SCORES)}"
                )
        return names

    @field_validator("sampler", "pruner", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value
