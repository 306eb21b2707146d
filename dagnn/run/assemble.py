"""From an experiment to network, objective, streams and settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dagnn.config import Experiment, build, check_options, lookup
from dagnn.data.domains import Domains, Stream
from dagnn.data.modalities import MODALITIES, Modality
from dagnn.errors import UsageError
from dagnn.losses import Objective, PerMember
from dagnn.models import ENCODERS, HEADS, Network
from dagnn.run.parts import (
    ANY,
    facts_of,
    make_members,
    make_objective,
    reads_target,
    wanted,
)
from dagnn.run.prepared import Prepared, SuiteData
from dagnn.training import TARGET_ORACLE, TrainSettings

# An input statistic from this many items is as good as from all of them.
_FIT_ITEMS = 2048
# A forward pass of as many fits into memory.
_ITEMS_AT_ONCE = 256


@dataclass(frozen=True)
class Assembly:
    """Everything that training needs.

    Attributes:
        network: with input statistics fitted on the training items; an ensemble where
            the experiment asks for several members.
        objective: task loss and domain terms, of an ensemble one for each member.
        domains: streams of batches.
        settings: how to train.
        device: where all of it is.
        statistics: number of suites that keep statistics of their own; 1 shares them.
        passed: suites whose training items pass through the network in training.
    """

    network: Network
    objective: Objective | PerMember
    domains: Domains
    settings: TrainSettings
    device: torch.device
    statistics: int
    passed: tuple[SuiteData, ...]


def check(experiment: Experiment) -> None:
    """Refuse an experiment that cannot be meant, before any data are read.

    Raises:
        ConfigError: an unknown name or option, or a value that its part refuses.
    """
    modality = build(MODALITIES, experiment.data, "data")
    _check_roles(experiment, modality)
    if experiment.training.select_on == TARGET_ORACLE and not experiment.target:
        raise UsageError(f"training.select_on: {TARGET_ORACLE} needs a target suite.")
    encoder, head = experiment.model.encoder, experiment.model.head
    chosen = lookup(ENCODERS, encoder.name, "model.encoder")
    check_options(chosen, encoder, "model.encoder", {"sizes": {}, "domains": 1})
    constructor = lookup(HEADS, head.name, "model.head")
    check_options(constructor, head, "model.head", wanted(constructor, ANY, "model.head"))
    make_objective(experiment, ANY)
    make_settings(experiment)
    choose_device(experiment.training.device)


def _check_roles(experiment: Experiment, modality: Modality) -> None:
    """Refuse a suite that is source and target, however it is spelt."""
    source, target = (
        {modality.name(name) for name in names} for names in (experiment.source, experiment.target)
    )
    if source & target:
        raise UsageError(f"{', '.join(sorted(source & target))} is source and target at once.")


def make_settings(experiment: Experiment) -> TrainSettings:
    """Collect how to train."""
    training = experiment.training
    return TrainSettings(
        epochs=training.epochs,
        optimizer=training.optimizer,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        schedule=training.schedule,
        clip_norm=training.clip_norm,
        patience=training.patience,
        select_on=training.select_on,
        precision=training.precision,
    )


def choose_device(name: str) -> torch.device:
    """Return the device that a configuration names; ``auto`` takes CUDA where there is one.

    Raises:
        UsageError: torch does not know the device, or it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"training.device: {name!r} is not usable here ({reason}).") from None
    return device


def on_this_machine(experiment: Experiment) -> Experiment:
    """Return the experiment of a run that may have been made on a device that is not here.

    Args:
        experiment: of the run; its device becomes ``auto`` where it is not usable.
    """
    try:
        choose_device(experiment.training.device)
    except UsageError:
        training = experiment.training.model_copy(update={"device": "auto"})
        return experiment.model_copy(update={"training": training})
    return experiment


def assemble(experiment: Experiment, prepared: Prepared) -> Assembly:
    """Build everything that training needs, seeded by the experiment."""
    torch.manual_seed(experiment.seed)
    device = choose_device(experiment.training.device)
    sources, targets = prepared.of_role("source"), prepared.of_role("target")
    learned = [*sources, *targets]
    # A target that no term reads never passes the network in training, so it would
    # have no statistics of its own to be evaluated with.
    aligned = reads_target(experiment)
    own = experiment.model.statistics == "per_suite" and (aligned or not targets)
    domains = len(learned) if own else 1
    sizes = sources[0].loaded.dataset.sizes
    network, objective = make_members(experiment, sizes, domains, facts_of(prepared))
    if own:
        for suite in learned:
            network.fit_inputs(training_batch(suite))
    else:
        network.fit_inputs(*map(training_batch, sources))
    streams = Domains(
        [_stream(experiment, suite, device) for suite in sources],
        [_stream(experiment, suite, device) for suite in targets],
        experiment.training.steps_per_epoch,
    )
    return Assembly(
        network.to(device),
        objective.to(device),
        streams,
        make_settings(experiment),
        device,
        domains,
        tuple(learned if aligned else sources),
    )


class TrainingBatches:
    """Batches of training items, one suite after the other, gathered anew at every iteration.

    Args:
        suites: trained suites; of each as many items are taken as statistics are worth.
        device: of the batches.
    """

    def __init__(self, suites: Sequence[SuiteData], device: torch.device) -> None:
        self.suites, self.device = suites, device

    def __iter__(self) -> Iterator[Any]:
        for suite in self.suites:
            dataset = suite.loaded.dataset.to(self.device)
            items = _evenly(suite.parts()["train"]).to(self.device)
            yield from map(dataset.batch, torch.split(items, _ITEMS_AT_ONCE))


def training_batch(
    suite: SuiteData, items: Tensor | None = None, where: torch.device | str = "cpu"
) -> Any:
    """Gather training items of a suite, as many as statistics are worth.

    Args:
        suite: a trained suite.
        items: some of its training items; all of them if None.
        where: device of the batch.
    """
    items = suite.parts()["train"] if items is None else items
    dataset = suite.loaded.dataset.to(where)
    return dataset.batch(_evenly(items).to(where))


def _evenly(items: Tensor) -> Tensor:
    """Return as many items as statistics are worth, evenly: files are often sorted by class."""
    count = min(len(items), _FIT_ITEMS)
    return items[torch.arange(count) * len(items) // max(count, 1)]


def _stream(experiment: Experiment, suite: SuiteData, device: torch.device) -> Stream:
    return Stream(
        suite.loaded.dataset.to(device),
        suite.parts()["train"].numpy(),
        experiment.training.batch_size,
        seed=experiment.seed,
    )
