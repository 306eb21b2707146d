"""The validated experiment: everything that one run needs to know."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from dagnn.parameters import parameter
from dagnn.yaml_files import RECORD, as_text, to_yaml


def _listed(value: Any) -> Any:
    if value is None:
        return []
    return [value] if isinstance(value, str | float | int) else value


Names = Annotated[list[str], BeforeValidator(_listed)]
Numbers = Annotated[list[float], BeforeValidator(_listed)]
Place = Annotated[Path, BeforeValidator(as_text)]


class _Strict(BaseModel):
    model_config = ConfigDict(**RECORD, extra="forbid")


class Component(BaseModel):
    """A part chosen by name, with the options of its constructor beside the name."""

    model_config = ConfigDict(**RECORD, extra="allow")

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Return everything that is meant for the constructor."""
        return dict(self.model_extra or {})


class Term(Component):
    """A domain term of the objective.

    Attributes:
        weight: factor of the term; doubling it doubles the term's gradient.
        ramp: how the weight grows with training progress.
    """

    name: str = ""
    weight: float = Field(default=1.0, ge=0.0)
    ramp: str = "constant"


class Data(Component):
    """Which simulations, and as what they are read (``name``: galaxies, spectra).

    Attributes:
        path: data folder; None is the default place.
        set: simulation set, for example ``LH``.
        volume: ``L25n256`` or ``L50n512``.
        redshifts: snapshots that form one input.
        parameters: what is inferred.
        limit: use at most this many simulations of each suite.
        split: shares of train, validation and test.
        mock_boxes: how many mock boxes per suite to make where there are no data.
        workers: processes that read files.
        target_prior: keep only targets whose parameter lies in a range, ``{Omega_m: [0.3,
            0.5]}``: a stress test, which reads target labels for this and nothing else.
    """

    name: str = "galaxies"
    path: Place | None = None
    set: str = "LH"
    volume: str = "L25n256"
    redshifts: Numbers = Field(default=[0.0], min_length=1)
    parameters: Names = Field(default=["Omega_m"], min_length=1)
    limit: int | None = Field(default=None, ge=3)
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    mock_boxes: int = Field(default=300, ge=10)
    workers: int = Field(default=2, ge=1)
    target_prior: dict[str, tuple[float, float]] = Field(default_factory=dict)

    @field_validator("parameters")
    @classmethod
    def _canonical(cls, names: list[str]) -> list[str]:
        return [parameter(name).name for name in names]

    @field_validator("target_prior")
    @classmethod
    def _ranges(cls, found: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (low, high) in found.items():
            if not low < high:
                raise ValueError(f"{name}: the range {low:g} to {high:g} is empty")
        return {parameter(name).name: ends for name, ends in found.items()}

    @field_validator("split")
    @classmethod
    def _shares(cls, split: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(split) <= 0 or abs(sum(split) - 1) > 1e-6:
            raise ValueError("three positive shares that add up to 1 are needed")
        return split


class Model(_Strict):
    """Encoder and head of the network.

    Attributes:
        encoder: batch → latent.
        head: latent → prediction.
        statistics: whether all suites share the statistics of normalisation layers (those
            of the sources), or each keeps its own. Where no domain term reads the target
            they are shared in any case.
        members: number of networks of a deep ensemble, trained on the same batches and
            read as their mixture; 1 is a single network.
    """

    encoder: Component
    head: Component
    statistics: Literal["shared", "per_suite"] = "shared"
    members: int = Field(default=1, ge=1)


class Loss(_Strict):
    """Task loss, domain terms, and how they are added up.

    Attributes:
        task: loss of labelled sources.
        objective: how task loss and terms become one number.
        terms: what aligns the domains.
        prior_guard: estimate the range of parameters that each target spans, and align within
            it where it is narrower than the source's.
    """

    task: Component
    objective: str = "weighted_sum"
    terms: dict[str, Term] = Field(default_factory=dict)
    prior_guard: bool = True

    @field_validator("terms")
    @classmethod
    def _named(cls, terms: dict[str, Term]) -> dict[str, Term]:
        return {key: t.model_copy(update={"name": t.name or key}) for key, t in terms.items()}


class Training(_Strict):
    """How the network is trained; the names follow torch.

    Attributes:
        epochs: passes over the longest source.
        steps_per_epoch: fixed number of steps instead of one pass.
        batch_size: items of each suite in a step.
        patience: epochs without a better score before stopping; None never stops early.
        select_on: label-free criterion that chooses the checkpoint.
        device: ``auto`` takes CUDA where there is one.
        precision: ``bf16`` multiplies matrices of the network in bfloat16 while training.
    """

    epochs: int = Field(default=30, ge=1)
    steps_per_epoch: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=2)
    optimizer: str = "adamw"
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    schedule: str = "one_cycle"
    clip_norm: float | None = Field(default=1.0, gt=0)
    patience: int | None = Field(default=None, ge=1)
    select_on: str = "last"
    device: str = "auto"
    precision: str = "float32"


class Calibration(_Strict):
    """How error bars are calibrated, without target labels.

    Attributes:
        variance: ``source`` scales and blends variances on the source's validation items.
        surrogate: a task with known truth in place of the target, which measures by how much to
            inflate the error bars of unlabelled suites. ``redshift``: the source at another
            redshift, one more training; left out, with a note, where there is none.
            ``halves``: the source at low against high values of a further parameter, and vice
            versa, two more trainings. ``auto`` (in ``configs/base.yaml``): ``redshift`` where
            available, else ``halves``. Files of older runs do not name it and mean ``none``.
    """

    variance: Literal["none", "source"] = "source"
    surrogate: Literal["none", "redshift", "halves", "auto"] = "none"


class Robustness(_Strict):
    """Robustness tests on images, after training.

    Attributes:
        images: held-out ones of the first source and of the first target; 0 does nothing.
        noise: ``poisson`` grows with brightness, ``gaussian`` does not.
        levels: strengths of the noise.
        population: candidates of a one-pixel attack; 400 in the literature.
        generations: at most this many; 80 in the literature.
    """

    images: int = Field(default=0, ge=0)
    noise: Literal["gaussian", "poisson"] = "poisson"
    levels: Numbers = Field(default=[0.0, 0.1, 0.2, 0.4, 0.8], min_length=1)
    population: int = Field(default=40, ge=4)
    generations: int = Field(default=10, ge=1)


class Evaluation(_Strict):
    """What is measured and drawn after training.

    Attributes:
        compare_source_only: also train without adaptation.
        compare_oracle: also train on the labels of the target, stamped ORACLE.
        baselines: also fit ridge regressions on summaries.
        bootstrap: resamples behind each interval.
        latent_map: how latents are drawn in two dimensions.
        suites: further suites to evaluate on, unseen in training.
        transductive: measure targets on all of their items, which training has seen without
            labels, and not on the test part only: for targets that are too few to split.
        robustness: noise, one-pixel attacks, church windows and Grad-CAM of images.
    """

    compare_source_only: bool = False
    compare_oracle: bool = False
    baselines: bool = True
    bootstrap: int = Field(default=1000, ge=100)
    latent_map: Literal["isomap", "tsne", "pca"] = "isomap"
    suites: Names = Field(default_factory=list)
    transductive: bool = False
    robustness: Robustness = Robustness()


class Experiment(_Strict):
    """Everything needed to run once, and to run the same again."""

    name: str = "experiment"
    init_from: Place | None = None
    seed: int = Field(default=0, ge=0)
    source: Names = Field(min_length=1)
    target: Names = Field(default_factory=list)
    data: Data
    model: Model
    loss: Loss
    training: Training = Training()
    calibration: Calibration = Calibration()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _roles(self) -> "Experiment":
        both = {s.lower() for s in self.source} & {t.lower() for t in self.target}
        if both:
            raise ValueError(f"{', '.join(sorted(both))} cannot be source and target at once")
        return self

    def without_adaptation(self) -> "Experiment":
        """Return the same experiment trained on the sources alone, with their statistics."""
        loss = Loss(task=self.loss.task, terms={"none": Term(name="none")})
        model = self.model.model_copy(update={"statistics": "shared"})
        name = f"{self.name}-source-only"
        return self.model_copy(update={"name": name, "loss": loss, "model": model})

    def on_target_labels(self) -> "Experiment":
        """Return the same experiment trained on the labels of the targets: the ORACLE."""
        loss = Loss(task=self.loss.task, terms={"none": Term(name="none")})
        training = self.training.model_copy(update={"select_on": "last"})
        changed = {
            "name": f"{self.name}-oracle",
            "source": self.target,
            "target": [],
            "loss": loss,
            "training": training,
        }
        return self.model_copy(update=changed)

    def to_yaml(self) -> str:
        """Write the resolved experiment as YAML that :func:`load_experiment` reads back."""
        return to_yaml(self.model_dump(mode="json"))
