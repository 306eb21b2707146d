"""What a checkpoint says of the data and the task of its network, checked where it is read."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, FiniteFloat, StrictBool, StrictInt, StrictStr, ValidationError

from dagnn.errors import CheckpointError
from dagnn.training import Checkpoint, load_checkpoint


class _Scaling(BaseModel):
    names: list[StrictStr]
    low: list[FiniteFloat]
    high: list[FiniteFloat]


class _Split(BaseModel):
    train: list[StrictStr]
    valid: list[StrictStr]
    test: list[StrictStr]


class _Training(BaseModel):
    select_on: StrictStr


class _Model(BaseModel):
    members: StrictInt = 1


class _Experiment(BaseModel):
    source: list[StrictStr]
    training: _Training
    model: _Model


class _Inputs(BaseModel, extra="forbid"):
    """See :class:`dagnn.data.requests.Inputs`."""

    settings: dict[StrictStr, Any] = {}
    grid: dict[StrictStr, list[FiniteFloat]] = {}
    kmax: dict[StrictStr, FiniteFloat] = {}
    files: dict[StrictStr, StrictStr] = {}
    level: dict[StrictStr, FiniteFloat] = {}


class _Spread(BaseModel):
    """See :func:`dagnn.run.ranges.training_spread`, which makes it."""

    scale: list[FiniteFloat]
    mean: list[FiniteFloat]
    axes: list[list[FiniteFloat]]
    variance: list[FiniteFloat]
    rest: FiniteFloat
    unit: FiniteFloat
    usual: FiniteFloat
    middle: list[FiniteFloat]


class _Unknown(BaseModel, extra="forbid"):
    """What too few items do not tell."""


class _Meta(BaseModel):
    """See :func:`dagnn.run.facts.checkpoint_meta`, which makes it."""

    experiment: _Experiment
    sizes: dict[StrictStr, StrictInt]
    domains: list[StrictStr]
    statistics: StrictInt
    scaling: _Scaling
    splits: dict[StrictStr, _Split]
    training_range: dict[StrictStr, tuple[float, float]]
    training_spread: _Spread | _Unknown = _Unknown()
    mock: StrictBool
    inputs: _Inputs = _Inputs()
    classes: list[StrictStr] = []
    inherited: list[StrictStr] = []


def load_trained(path: Path) -> Checkpoint:
    """Read the checkpoint of a run.

    Raises:
        CheckpointError: there is none, it is damaged, or it was not written by a run.
    """
    checkpoint = load_checkpoint(path)
    try:
        _Meta.model_validate(checkpoint.meta)
    except ValidationError as error:
        wrong: Any = error.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        raise CheckpointError(
            f"{path} does not say what it was trained on ({where}: {wrong['msg']}). Train again."
        ) from None
    scaling = checkpoint.meta["scaling"]
    if len({len(values) for values in scaling.values()}) > 1:
        raise CheckpointError(f"{path} has other priors than parameters. Train again.")
    return checkpoint
