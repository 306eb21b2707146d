"""A finished run, opened to be used again."""

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from dagnn.config import Experiment
from dagnn.errors import CheckpointError
from dagnn.models import Network
from dagnn.run.assemble import choose_device, make_network, on_this_machine
from dagnn.run.folder import RunFolder
from dagnn.run.meta import load_trained
from dagnn.run.prepared import stored_truth
from dagnn.stored import reading
from dagnn.training import Checkpoint, load_checkpoint, load_weights


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
    """Say so where a run is evaluated before its training has ended."""
    epoch, planned = load_checkpoint(folder.checkpoints / "last.pt").epoch, experiment.training
    notes = []
    if epoch < planned.epochs and planned.patience is None:
        notes.append(f"Training was stopped after {epoch} of {planned.epochs} epochs.")
    return notes + uncalibrated(folder, experiment)


def uncalibrated(folder: RunFolder, experiment: Experiment) -> list[str]:
    """Say so where answers should be calibrated and are not."""
    if experiment.calibration.variance == "none" or folder.calibration.is_file():
        return []
    return [
        f"Not calibrated: {folder.calibration} is absent. How sure the network says it is, is "
        f"uncorrected. Finish the run with: dagnn train --resume {quote(str(folder.path))}"
    ]
