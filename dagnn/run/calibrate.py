"""Calibrate a trained network's error bars on the source, and on surrogates made of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from dagnn.config import Experiment, build
from dagnn.data.modalities import MODALITIES
from dagnn.data.splits import PARTS, Split
from dagnn.errors import DataError
from dagnn.evaluation.variance import VarianceScale
from dagnn.files import write_text
from dagnn.models import Network
from dagnn.records import Predictions
from dagnn.run.answers import Answers, AnyPredictions, AnyScale, answers_of
from dagnn.run.data import Prepared, SuiteData, read_suite
from dagnn.run.fitting import fit_network
from dagnn.run.folder import RunFolder
from dagnn.run.predictions import predict_all
from dagnn.training import Checkpoint


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
    try:
        return answers.read_scale(json.loads(folder.calibration.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{folder.calibration} is damaged ({error}). Delete it to see uncalibrated answers."
        ) from error


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
    if isinstance(scale, VarianceScale) and wanted.surrogate != "none" and plan.experiment.target:
        scale = scale.inflated(_on_surrogate(plan, initial, console, root))
    write_scale(plan.folder, scale)
    return scale


def _on_surrogate(
    plan: Plan, initial: Checkpoint | None, console: Console, root: Path
) -> list[Predictions]:
    """Train on a surrogate of the target and predict what it holds out."""
    made = surrogate(plan.experiment, plan.prepared, console)
    if made is None:
        console.print(
            "[yellow]Note:[/] no other redshift of the source is there to calibrate error bars "
            "on; those of the target are calibrated on the source alone.",
            highlight=False,
            soft_wrap=True,
        )
        return []
    experiment, prepared = made
    network = fit_network(
        experiment,
        prepared,
        plan.folder.surrogate,
        console,
        initial=initial,
        label="surrogate",
        root=root,
    )
    raw: list[Any] = predict_all(network, prepared, "surrogate")
    held_out = [each for each in raw if each.role == "target" and each.split == "valid"]
    return apply_scale(fit_scale(answers_of(()), raw), held_out, labelled=prepared.trained)


def surrogate(
    experiment: Experiment, prepared: Prepared, console: Console
) -> tuple[Experiment, Prepared] | None:
    """Make a surrogate of the target: the sources themselves at another redshift.

    Every simulation keeps its part, so the surrogate's validation items were seen in
    training at no redshift. Test items are in neither domain.

    Returns:
        The experiment that aligns with the surrogate, and its data; None where the
        sources are there at no other redshift.
    """
    modality = build(MODALITIES, experiment.data, "data")
    sources, data = prepared.of_role("source"), experiment.data
    there = [
        modality.redshifts(suite.name, prepared.folder, data.set, data.volume) for suite in sources
    ]
    common = sorted(set(there[0]).intersection(*there[1:]))
    redshifts = other_redshifts(data.redshifts, common)
    if redshifts is None:
        return None
    moved = experiment.model_copy(
        update={
            "name": f"{experiment.name}-surrogate",
            "target": [f"{suite.name}-moved" for suite in sources],
            "data": data.model_copy(update={"redshifts": list(redshifts), "target_prior": {}}),
        }
    )
    targets = [
        _moved(moved, suite, len(sources) + number, prepared, console)
        for number, suite in enumerate(sources)
    ]
    return moved, replace(prepared, suites=(*sources, *targets), intervals=())


def other_redshifts(used: Sequence[float], there: Sequence[float]) -> tuple[float, ...] | None:
    """Choose as many redshifts as are used, as near as possible, at least one of them another.

    Args:
        used: redshifts of the inputs, in their order.
        there: redshifts that exist.

    Returns:
        None where there is no other.

    Example:
        >>> other_redshifts([0.0], [0.0, 1.05, 2.0])
        (1.05,)
        >>> other_redshifts([0.0, 1.0], [0.0, 1.05, 1.5])
        (0.0, 1.5)
    """
    snapshots = [min(there, key=lambda z: abs(z - asked)) for asked in used] if there else []
    spare = [z for z in there if z not in snapshots]
    if not spare:
        return None
    changes = [(abs(z - snapshots[k]), k, z) for k in range(len(used)) for z in spare]
    _, place, nearest = min(changes)
    return tuple(nearest if k == place else z for k, z in enumerate(snapshots))


def _moved(
    experiment: Experiment, suite: SuiteData, domain: int, prepared: Prepared, console: Console
) -> SuiteData:
    """Read a source at the surrogate's redshift, split as it is."""
    loaded = read_suite(
        experiment, suite.name, prepared.folder, prepared.truth, console, labelled=True
    )
    assert suite.split is not None
    parts = suite.split.to_ids(suite.loaded.dataset.ids)
    position = {name: row for row, name in enumerate(loaded.dataset.ids)}
    rows = {
        part: np.array([position[name] for name in parts[part] if name in position], dtype=np.int64)
        for part in PARTS
    }
    return SuiteData(f"{suite.name}-moved", "target", domain, loaded, Split(**rows))


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
    suites = [replace(suite, role="source", domain=domain) for domain, suite in enumerate(targets)]
    return replace(prepared, suites=tuple(suites), intervals=())
