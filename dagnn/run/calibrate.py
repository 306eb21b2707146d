"""Calibrate a trained network's error bars on the source, and on surrogates made of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from dagnn.config import Experiment
from dagnn.errors import DataError
from dagnn.files import write_text
from dagnn.models import Network
from dagnn.records import FloatArray
from dagnn.run.answers import Answers, AnyPredictions, AnyScale, answers_of
from dagnn.run.fitting import fit_network
from dagnn.run.folder import RunFolder
from dagnn.run.predictions import predict_all
from dagnn.run.prepared import Prepared
from dagnn.run.surrogates import Surrogate, surrogates
from dagnn.stored import read_json, reading
from dagnn.training import Checkpoint
from dagnn.trust.variance import VarianceScale, excess


@dataclass(frozen=True)
class Plan:
    """One training of a run.

    Attributes:
        experiment: what is trained.
        prepared: on which data, in which roles.
        folder: where its checkpoints go.
        label: how tables call it.
    """

    experiment: Experiment
    prepared: Prepared
    folder: RunFolder
    label: str

    @property
    def labelled(self) -> list[str]:
        """Short names of the suites whose labels are read."""
        return [suite.name for suite in self.prepared.of_role("source")]

    @property
    def known(self) -> list[str]:
        """Short names of the suites that are trained on, by their number."""
        return self.prepared.trained


def fit_scale(answers: Answers, predictions: Sequence[AnyPredictions]) -> AnyScale:
    """Fit how sure a network may be on the validation items of all its sources.

    Args:
        answers: parameters or classes.
        predictions: of one network, uncalibrated.
    """
    return answers.fit_scale([p for p in predictions if (p.role, p.split) == ("source", "valid")])


def apply_scale(
    scale: AnyScale | None, predictions: Sequence[Any], labelled: Sequence[str]
) -> list[Any]:
    """Calibrate predictions; suites without labels are inflated as surrogates ask for.

    Args:
        scale: of the network that made them; None leaves them as they are.
        predictions: of any suites.
        labelled: short names of the suites whose labels the network was trained on.
    """
    if isinstance(scale, VarianceScale):
        return [scale.apply(each, labelled=each.suite in labelled) for each in predictions]
    return [scale.apply(each) if scale else each for each in predictions]


def write_scale(folder: RunFolder, scale: AnyScale) -> None:
    """Store the calibration of a run."""
    write_text(folder.calibration, json.dumps(scale.to_dict(), indent=1))


def read_scale(folder: RunFolder, answers: Answers) -> AnyScale | None:
    """Read the calibration of a run; None where a network is believed as it is.

    Raises:
        DataError: the file is damaged.
    """
    if not folder.calibration.is_file():
        return None
    advice = "Delete it to see uncalibrated answers."
    with reading(folder.calibration, advice):
        return answers.read_scale(read_json(folder.calibration, advice))


def calibrated(
    plan: Plan, network: Network, initial: Checkpoint | None, console: Console, root: Path
) -> AnyScale | None:
    """Calibrate the error bars of a trained network, or read how that was done before.

    Args:
        plan: its training.
        network: what came of it.
        initial: checkpoint that it started from.
        console: where progress goes.
        root: the run that a user would resume.
    """
    wanted = plan.experiment.calibration
    if wanted.variance == "none":
        return None
    answers = answers_of(plan.prepared.truth.classes)
    stored = read_scale(plan.folder, answers)
    if stored is not None:
        return stored
    scale = fit_scale(answers, predict_all(network, plan.prepared, plan.label, plan.known))
    if isinstance(scale, VarianceScale) and not scale.fitted:
        (said,) = scale.sentences()
        console.print(f"[yellow]Note:[/] {escape(said)}", highlight=False, soft_wrap=True)
    elif isinstance(scale, VarianceScale) and plan.experiment.target:
        made = surrogates(plan.experiment, plan.prepared, console)
        scale = scale.inflated([_excess_on(each, plan, initial, console, root) for each in made])
    write_scale(plan.folder, scale)
    return scale


def _excess_on(
    surrogate: Surrogate, plan: Plan, initial: Checkpoint | None, console: Console, root: Path
) -> FloatArray:
    """Train on a surrogate of the target; return how much too sure that network is of it."""
    network = fit_network(
        surrogate.experiment,
        surrogate.prepared,
        plan.folder.surrogate(surrogate.name),
        console,
        # Weights that this run starts from may have learned the labels of its training items.
        initial=None if surrogate.transductive else initial,
        label=surrogate.label,
        title="error bars",
        root=root,
    )
    raw: list[Any] = predict_all(
        network, surrogate.prepared, "surrogate", transductive=surrogate.transductive
    )
    measured = "all" if surrogate.transductive else "valid"
    held_out = [each for each in raw if (each.role, each.split) == ("target", measured)]
    fitted_on = sum(len(p.ids) for p in raw if (p.role, p.split) == ("source", "valid"))
    scale = fit_scale(answers_of(()), raw)
    return excess(apply_scale(scale, held_out, labelled=surrogate.prepared.trained), fitted_on)


def on_target_labels(prepared: Prepared) -> Prepared:
    """Return the data with the targets in the place of the sources: for the ORACLE.

    Raises:
        DataError: the truth of a training item is unknown.
    """
    targets = prepared.of_role("target")
    for suite in targets:
        truth = suite.loaded.dataset.y[suite.parts()["train"]]
        unknown = truth.isnan().any() if truth.is_floating_point() else (truth < 0).any()
        if bool(torch.as_tensor(unknown)):
            raise DataError(
                f"The oracle trains on the labels of {suite.name}, and some are unknown. Leave "
                "evaluation.compare_oracle out."
            )
    suites = [suite.numbered("source", domain) for domain, suite in enumerate(targets)]
    return replace(prepared, suites=tuple(suites), intervals=())
