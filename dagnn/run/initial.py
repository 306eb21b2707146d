"""What a run starts from: the weights of another run, and its splits."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from dagnn.config import Experiment
from dagnn.data.requests import Inputs
from dagnn.errors import CheckpointError
from dagnn.models import Network
from dagnn.run.assemble import make_network
from dagnn.run.data import require_inputs
from dagnn.run.folder import RunFolder
from dagnn.run.meta import load_trained
from dagnn.run.prepared import Prepared, stored_truth
from dagnn.stored import reading
from dagnn.training import TARGET_ORACLE, Checkpoint, load_weights

ADJUSTABLE = ("linking_radius", "min_star_particles", "min_stellar_mass", "crop", "size")
"""Settings of inputs that may change where training goes on from the weights of another run."""
Splits = Mapping[str, Mapping[str, Sequence[str]]]


def load_initial(experiment: Experiment) -> Checkpoint | None:
    """Load the checkpoint that an experiment starts from, and see that it fits.

    Raises:
        CheckpointError: it infers other parameters, or its network has another shape.
    """
    if experiment.init_from is None:
        return None
    checkpoint = load_trained(RunFolder.open(experiment.init_from).checkpoints / "best.pt")
    names = stored_truth(checkpoint.meta).scaling.names
    if names and list(names) != list(experiment.data.parameters):
        raise CheckpointError(
            f"{experiment.init_from} infers {', '.join(names)}, this experiment "
            f"{', '.join(experiment.data.parameters)}. Start from a run with the same parameters."
        )
    stored = checkpoint.meta["experiment"]["model"].get("members", 1)
    if stored != experiment.model.members:
        raise CheckpointError(
            f"{experiment.init_from} has {stored} members, this experiment "
            f"{experiment.model.members}. Start with: --members {stored}"
        )
    meta = checkpoint.meta
    with reading(experiment.init_from, "Start from another run.", CheckpointError):
        network = make_network(experiment, meta["sizes"], 1, stored_truth(meta))
    load_parameters(network, checkpoint)
    return checkpoint


def require_same_classes(experiment: Experiment, initial: Checkpoint, prepared: Prepared) -> None:
    """Refuse to start from a network that knows other classes.

    Raises:
        CheckpointError: names or order differ.
    """
    theirs, ours = stored_truth(initial.meta).classes, prepared.truth.classes
    if theirs != ours:
        raise CheckpointError(
            f"{experiment.init_from} knows the classes {', '.join(theirs) or 'of nothing'}, these "
            f"data have {', '.join(ours) or 'none'}. Start from a run with the same classes, in "
            "the same order; data.classes sets them."
        )


def require_same_inputs(
    experiment: Experiment, initial: Checkpoint | None, prepared: Prepared, console: Console
) -> None:
    """Refuse to start from a network whose inputs stood for something else; fresh weights pass.

    Raises:
        MismatchError: features or wavenumbers differ.
    """
    if initial is not None:
        stored, whose = Inputs.stored(initial.meta), f"the run {experiment.init_from}"
        require_inputs(prepared.suites[0], stored, whose, console, ADJUSTABLE)


def load_parameters(network: Network, checkpoint: Checkpoint) -> None:
    """Put the trained weights of a checkpoint into a network.

    Statistics of inputs and latents stay those of the new data: the rows of the
    stored ones belong to the suites of another run.

    Raises:
        CheckpointError: the networks have different shapes.
    """
    fresh = network.state_dict()
    learned = {
        name: checkpoint.selected[name]
        for name, _ in network.named_parameters()
        if name in checkpoint.selected
    }
    load_weights(network, {**fresh, **learned})


def stored_meta(folder: RunFolder) -> dict[str, Any] | None:
    """Return what the checkpoints of a run that was begun say of its data, if there are any.

    The comparison without adaptation trains first, so its checkpoint may be the only one.
    """
    for part in (folder, folder.source_only):
        last = part.checkpoints / "last.pt"
        if last.is_file():
            return dict(load_trained(last).meta)
    return None


def inherited_notes(initial: Checkpoint | None, targets: Sequence[str]) -> list[str]:
    """Say what the weights that a run starts from have seen.

    Args:
        initial: checkpoint of the other run; None for fresh weights.
        targets: short names of the present targets.
    """
    if initial is None:
        return []
    meta, notes = initial.meta, [*initial.meta.get("inherited", [])]
    before = meta["experiment"]
    if meta["mock"]:
        notes.append("MOCK: the weights that training started from were trained on MOCK data.")
    if before["training"]["select_on"] == TARGET_ORACLE:
        notes.append("ORACLE: the run that training started from was chosen by target labels.")
    known = {str(name).casefold() for name in before["source"]} & {t.casefold() for t in targets}
    if known:
        notes.append(
            f"LABELLED: the run that training started from read labels of "
            f"{', '.join(sorted(known))}, a target now."
        )
    return list(dict.fromkeys(notes))
