"""From an experiment to network, objective, streams and settings."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dagnn.config import Experiment, build, check_options, lookup
from dagnn.data.domains import Domains, Stream
from dagnn.data.modalities import MODALITIES
from dagnn.errors import UsageError
from dagnn.losses import OBJECTIVES, TASKS, TERMS, Objective
from dagnn.models import ENCODERS, HEADS, Network
from dagnn.run.data import Prepared, SuiteData
from dagnn.training import TrainSettings

# An input statistic from this many items is as good as from all of them.
_FIT_ITEMS = 2048


@dataclass(frozen=True)
class Assembly:
    """Everything that training needs.

    Attributes:
        network: with input statistics fitted on the training items.
        objective: task loss and domain terms.
        domains: streams of batches.
        settings: how to train.
        device: where all of it is.
    """

    network: Network
    objective: Objective
    domains: Domains
    settings: TrainSettings
    device: torch.device


def check(experiment: Experiment) -> None:
    """Refuse an experiment that cannot be meant, before any data are read.

    Raises:
        ConfigError: an unknown name or option, or a value that its part refuses.
    """
    build(MODALITIES, experiment.data, "data")
    encoder, head = experiment.model.encoder, experiment.model.head
    chosen = lookup(ENCODERS, encoder.name, "model.encoder")
    check_options(chosen, encoder, "model.encoder", {"sizes": {}, "domains": 1})
    given = {"width": 0, "parameters": 0}
    check_options(lookup(HEADS, head.name, "model.head"), head, "model.head", given)
    make_objective(experiment)
    make_settings(experiment)
    choose_device(experiment.training.device)


def make_network(experiment: Experiment, sizes: dict[str, int], suites: int) -> Network:
    """Build the network for inputs of given sizes and a number of suites, with fresh weights."""
    domains = suites if experiment.model.statistics == "per_suite" else 1
    part = experiment.model.encoder
    encoder = build(ENCODERS, part, "model.encoder", sizes=sizes, domains=domains)
    head = build(
        HEADS,
        experiment.model.head,
        "model.head",
        width=encoder.width,
        parameters=len(experiment.data.parameters),
    )
    return Network(encoder, head)


def make_objective(experiment: Experiment) -> Objective:
    """Build the task loss, the domain terms and their sum."""
    loss = experiment.loss
    task = build(TASKS, loss.task, "loss.task")
    terms = {
        key: (build(TERMS, term, f"loss.terms.{key}"), term.weight, term.ramp)
        for key, term in loss.terms.items()
    }
    objective = lookup(OBJECTIVES, loss.objective, "loss.objective")
    try:
        made = objective(task, terms)
    except ValueError as error:
        raise UsageError(f"loss: {error}") from error
    if made.needs_target and not experiment.target:
        raise UsageError(
            "A domain term needs a target suite to align with. Name one with --target, or train "
            "on the source alone with --config gnn_source_only."
        )
    return made


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


def assemble(experiment: Experiment, prepared: Prepared) -> Assembly:
    """Build everything that training needs, seeded by the experiment."""
    torch.manual_seed(experiment.seed)
    device = choose_device(experiment.training.device)
    sources, targets = prepared.of_role("source"), prepared.of_role("target")
    learned = [*sources, *targets]
    network = make_network(experiment, dict(sources[0].loaded.dataset.sizes), len(learned))
    if experiment.model.statistics == "per_suite":
        for suite in learned:
            network.fit_inputs(_training_batch(suite))
    else:
        network.fit_inputs(*map(_training_batch, sources))
    domains = Domains(
        [_stream(experiment, suite, device) for suite in sources],
        [_stream(experiment, suite, device) for suite in targets],
        experiment.training.steps_per_epoch,
    )
    return Assembly(
        network.to(device),
        make_objective(experiment).to(device),
        domains,
        make_settings(experiment),
        device,
    )


def _training_batch(suite: SuiteData) -> Any:
    items = suite.parts()["train"][:_FIT_ITEMS]
    return suite.loaded.dataset.batch(items, domain=suite.domain)


def _stream(experiment: Experiment, suite: SuiteData, device: torch.device) -> Stream:
    return Stream(
        suite.loaded.dataset.to(device),
        suite.parts()["train"].numpy(),
        experiment.training.batch_size,
        suite.domain,
        seed=experiment.seed,
    )


def parameter_count(network: nn.Module) -> int:
    """Count the trainable numbers of a network."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
