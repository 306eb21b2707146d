"""A trained network in use: opened, adapted, predicting, and calibrated as when it was trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from torch import Tensor

from dagnn.config import Experiment
from dagnn.errors import CheckpointError, DataError, UsageError
from dagnn.evaluation.measure import MODEL, ORACLE, SOURCE_ONLY
from dagnn.evaluation.predict import predict
from dagnn.models import Network
from dagnn.records import Dataset
from dagnn.run.assemble import choose_device, make_network, on_this_machine
from dagnn.run.folder import RunFolder, load_trained
from dagnn.run.prepared import Prepared, SuiteData, stored_truth
from dagnn.stored import read_json, reading
from dagnn.tasks import CLASSIFICATION, AnyPredictions, Task, of_classes
from dagnn.training import Checkpoint, load_checkpoint, load_weights
from dagnn.trust.error_bars import Temperature, VarianceScale
from dagnn.trust.novelty import Novelty

AnyScale = VarianceScale | Temperature
FEWEST_TO_ADAPT = 20
ITEMS_AT_ONCE = 512


@dataclass(frozen=True)
class Training:
    """One training of a run; its networks are as many as the experiment has members.

    Attributes:
        label: how tables call it.
        folder: where its checkpoints go.
        experiment: what is trained.
    """

    label: str
    folder: RunFolder
    experiment: Experiment

    def own(self, prepared: Prepared) -> Prepared:
        """Return the data of the run in the roles that this training gives them."""
        return on_target_labels(prepared) if self.label == ORACLE else prepared

    @property
    def transductive(self) -> bool:
        """Whether all items of targets measure it: the oracle has learned labels of some."""
        return self.experiment.evaluation.transductive and self.label != ORACLE


def trainings(folder: RunFolder, experiment: Experiment) -> list[Training]:
    """Return everything that a run trains, in order.

    The surrogates of the target follow from the data, see
    :func:`dagnn.run.calibrate.surrogates`: each model is calibrated on its own.
    """
    asked = experiment.evaluation
    found = [Training(MODEL, folder, experiment)]
    if asked.compare_source_only:
        alone = experiment.without_adaptation()
        found.insert(0, Training(SOURCE_ONLY, folder.source_only, alone))
    if asked.compare_oracle and experiment.target:
        found.append(Training(ORACLE, folder.oracle, experiment.on_target_labels()))
    return found


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


@dataclass(frozen=True)
class Trained:
    """A run and its selected network.

    Attributes:
        folder: of the run.
        experiment: that it carried out.
        network: on the device that the configuration names.
        checkpoint: that the network comes from.
    """

    folder: RunFolder
    experiment: Experiment
    network: Network
    checkpoint: Checkpoint

    @classmethod
    def open(cls, path: Path) -> "Trained":
        """Open a run directory.

        Raises:
            DagnnError: there is no such run, or it has no usable checkpoint yet.
        """
        folder = RunFolder.open(path)
        experiment = folder.read_experiment()
        return cls(folder, experiment, *load_network(folder, experiment))


def load_network(folder: RunFolder, experiment: Experiment) -> tuple[Network, Checkpoint]:
    """Load the selected network of a run onto its device, or onto what there is instead.

    Raises:
        CheckpointError: the run has no usable checkpoint yet.
    """
    best = folder.checkpoints / "best.pt"
    if not best.is_file():
        raise CheckpointError(
            f"{folder.path} has no trained network yet. Finish it with: "
            f"dagnn train --resume {quote(str(folder.path))}"
        )
    checkpoint = load_trained(best)
    meta = checkpoint.meta
    with reading(best, "It does not fit the configuration beside it.", CheckpointError):
        network = make_network(experiment, meta["sizes"], meta["statistics"], stored_truth(meta))
    load_weights(network, checkpoint.network)
    device = choose_device(on_this_machine(experiment).training.device)
    return network.to(device), checkpoint


def unfinished(folder: RunFolder, experiment: Experiment) -> list[str]:
    """Return notes on a run that is evaluated before its training has ended."""
    epoch, planned = load_checkpoint(folder.checkpoints / "last.pt").epoch, experiment.training
    notes = []
    if epoch < planned.epochs and planned.patience is None:
        notes.append(f"Training was stopped after {epoch} of {planned.epochs} epochs.")
    return notes + uncalibrated(folder, experiment)


def uncalibrated(folder: RunFolder, experiment: Experiment) -> list[str]:
    """Return a note where predictions should be calibrated and are not."""
    if experiment.calibration.variance == "none" or folder.calibration.is_file():
        return []
    return [
        f"Not calibrated: {folder.calibration} is absent. How sure the network says it is, is "
        f"uncorrected. Finish the run with: dagnn train --resume {quote(str(folder.path))}"
    ]


def predict_all(
    network: Network,
    prepared: Prepared,
    model: str,
    known: Sequence[str] | None = None,
    *,
    adapt_statistics: bool = False,
    transductive: bool = False,
) -> list[AnyPredictions]:
    """Predict every item that training has not learned from.

    Args:
        network: trained network.
        prepared: suites to predict.
        model: which network this is.
        known: short names of the suites that it was trained on, by their number; those of
            ``prepared`` if None. Others are seen through the statistics of the first.
        adapt_statistics: see unseen suites through statistics of their own.
        transductive: take all items of a target together, which training saw unlabelled.
    """
    known = prepared.trained if known is None else known
    predictions = []
    for suite in prepared.suites:
        dataset, unseen = suite.loaded.dataset, suite.split is None
        parts = {
            part: index for part, index in suite.parts().items() if part != "train" and len(index)
        }
        if transductive and suite.role == "target":
            parts = {"all": unseen_labels(suite, prepared)}
        seen_by = adapt(network, dataset, parts["all"]) if unseen and adapt_statistics else network
        for part, index in parts.items():
            predictions.append(_predict_part(seen_by, suite, prepared, part, index, known, model))
    return predictions


def _predict_part(
    network: Network,
    suite: SuiteData,
    prepared: Prepared,
    part: str,
    index: Tensor,
    known: Sequence[str],
    model: str,
) -> AnyPredictions:
    made: AnyPredictions = predict(
        network,
        suite.loaded.dataset.in_domain(known.index(suite.name) if suite.name in known else 0),
        index,
        prepared.truth.answer,
        suite=suite.name,
        role=suite.role,
        split=part,
        model=model,
    )
    return made


def unseen_labels(suite: SuiteData, prepared: Prepared) -> Tensor:
    """Return all items of a target but those whose object a labelled source shows as well.

    Args:
        suite: a target.
        prepared: whether equal group names mean equal objects, and the labelled sources.
    """
    items = torch.cat([*suite.parts().values()])
    if not prepared.shared_objects:
        return items
    labelled = {
        source.loaded.dataset.groups[row]
        for source in prepared.of_role("source")
        for part in ("train", "valid")
        for row in source.parts()[part].tolist()
    }
    groups = suite.loaded.dataset.groups
    return items[[groups[row] not in labelled for row in items.tolist()]]


def adapt(network: Network, dataset: Dataset, items: Tensor) -> Network:
    """Return a copy of a network with statistics estimated from unlabelled items.

    Raises:
        UsageError: there are too few items to estimate anything.
    """
    if len(items) < FEWEST_TO_ADAPT:
        raise UsageError(
            f"--adapt-statistics needs at least {FEWEST_TO_ADAPT} inputs of one suite, got "
            f"{len(items)}: statistics of fewer say more about the boxes than about the suite."
        )
    device = next(network.parameters()).device
    parts = torch.split(items.to(device), ITEMS_AT_ONCE)
    there = dataset.to(device).in_domain(0)
    return network.adapted(*(there.batch(part) for part in parts))


def learn_novelty(
    folder: RunFolder, network: Network, taught: Prepared, known: Sequence[str]
) -> Novelty | None:
    """Fit the novelty of items to a training's sources, or read what was fitted before.

    Args:
        folder: of the training.
        network: what came of it.
        taught: what it was trained on.
        known: short names of the suites that it was trained on, by their number.

    Returns:
        None for parameters, or where there are too few items.
    """
    if folder.novelty.is_file():
        return read_novelty(folder)
    found = fit_novelty(network, taught, known)
    if found is not None:
        found.save(folder.novelty)
    return found


def fit_novelty(network: Network, taught: Prepared, known: Sequence[str]) -> Novelty | None:
    """Fit the novelty of items to the sources of a network, and store nothing.

    Arguments and what is returned are those of :func:`learn_novelty`.
    """
    if not taught.truth.classes:
        return None
    train, valid = (
        [
            _predict_part(network, suite, taught, part, suite.parts()[part], known, "model")
            for suite in taught.of_role("source")
        ]
        for part in ("train", "valid")
    )
    return Novelty.fit(of_classes(train), of_classes(valid))


def read_novelty(folder: RunFolder) -> Novelty | None:
    """Read the fitted novelty of a run; None where there is none.

    Raises:
        DataError: the file is damaged.
    """
    return Novelty.load(folder.novelty) if folder.novelty.is_file() else None


def apply_novelty(novelty: Novelty | None, predictions: Sequence[Any]) -> list[Any]:
    """Add to uncalibrated predictions how unlike the training set each item is, where known."""
    return [novelty.apply(each) if novelty else each for each in predictions]


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


def read_scale(folder: RunFolder, task: Task) -> AnyScale | None:
    """Read the calibration of a run; None where there is none.

    Raises:
        DataError: the file is damaged.
    """
    if not folder.calibration.is_file():
        return None
    advice = "Delete it to see uncalibrated answers."
    with reading(folder.calibration, advice):
        stored = read_json(folder.calibration, advice)
        if task is CLASSIFICATION:
            return Temperature.from_dict(stored)
        return VarianceScale.from_dict(stored)
