"""Train once and measure, without table, figure or report: one trial of a study."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from dagnn.config import Experiment
from dagnn.data.inputs import Inputs
from dagnn.files import write_text
from dagnn.models import Network
from dagnn.run.assemble import assemble
from dagnn.run.data import prepare, with_shared_options
from dagnn.run.fitting import fit_network
from dagnn.run.folder import RunFolder
from dagnn.run.guard import guarded
from dagnn.run.initial import load_initial, require_same_inputs
from dagnn.run.prepared import Prepared
from dagnn.run.reverse import reverse_error
from dagnn.run.scores import label_free_scores
from dagnn.training import Callback


@dataclass(frozen=True)
class Trained:
    """A network and what it is worth without target labels.

    Attributes:
        network: with the weights of the selected epoch.
        scores: name in :data:`~dagnn.run.scores.SCORES` → score, lower is better.
    """

    network: Network
    scores: dict[str, float]


def prepare_once(experiment: Experiment, place: Path, console: Console) -> Prepared:
    """Read and split the suites of an experiment, as training it alone would.

    Args:
        experiment: what to read.
        place: data folder.
        console: where progress is shown.
    """
    initial = load_initial(experiment)
    splits = initial.meta["splits"] if initial else None
    inputs = Inputs.stored(initial.meta if initial else {})
    experiment = with_shared_options(experiment, place, trained=inputs)
    prepared = prepare(experiment, place, console, splits=splits)
    require_same_inputs(experiment, initial, prepared, console)
    return guarded(experiment, prepared, console)


def train_prepared(
    experiment: Experiment,
    prepared: Prepared,
    path: Path,
    *,
    callbacks: Sequence[Callback] = (),
    reverse: bool = False,
    console: Console | None = None,
) -> Trained:
    """Train on data that are in memory already, and score without target labels.

    Configuration, epoch records and checkpoints go into a folder; where one of an
    interrupted training lies there, it goes on.

    Args:
        experiment: what to train.
        prepared: its data.
        path: folder of the trial.
        callbacks: told of every step and epoch; one that raises stops the training.
        reverse: whether to add ``reverse_error``, which costs a second training.
        console: where progress goes; nowhere if None.
    """
    folder = RunFolder(path)
    write_text(folder.config, experiment.to_yaml())
    network = fit_network(
        experiment,
        prepared,
        folder,
        console or Console(quiet=True),
        initial=load_initial(experiment),
        label=experiment.name,
        root=path,
        callbacks=callbacks,
    )
    scores = label_free_scores(network, prepared)
    if reverse:
        scores["reverse_error"] = reverse_error(network, experiment, prepared)
    return Trained(network, scores)


def require_buildable(experiment: Experiment, prepared: Prepared) -> None:
    """Build everything that training needs and throw it away, so that what is wrong shows now.

    Raises:
        DagnnError: a part cannot be made of these values.
    """
    load_initial(experiment)
    assemble(experiment, prepared)
