"""From an experiment to network, objective, streams and settings."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dagnn.config import Experiment, Term, build, check_options, lookup
from dagnn.data.domains import Domains, Stream
from dagnn.data.modalities import MODALITIES, Modality
from dagnn.data.truth import Truth
from dagnn.errors import UsageError
from dagnn.losses import (
    OBJECTIVES,
    TASKS,
    TERMS,
    DomainTerm,
    NoAdaptation,
    Objective,
    PerMember,
    StatisticsOnly,
)
from dagnn.models import ENCODERS, HEADS, Ensemble, Network
from dagnn.run.prepared import Prepared, SuiteData
from dagnn.training import TARGET_ORACLE, TrainSettings

Facts = dict[str, Any]
"""What parts are told of the data: ``width`` of the latent, ``parameters`` or ``classes`` to
predict, ``counts`` of training items per class, target training ``items``."""
_ANY: Facts = {"width": 1, "parameters": 1, "classes": 2, "counts": [1, 1], "items": 1}
SILENT = (NoAdaptation, StatisticsOnly)
"""Terms that say which batches are drawn, and add nothing to the loss."""

# An input statistic from this many items is as good as from all of them.
_FIT_ITEMS = 2048


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
    """

    network: Network
    objective: Objective | PerMember
    domains: Domains
    settings: TrainSettings
    device: torch.device
    statistics: int


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
    check_options(constructor, head, "model.head", _wanted(constructor, _ANY, "model.head"))
    make_objective(experiment, _ANY)
    make_settings(experiment)
    choose_device(experiment.training.device)


def _check_roles(experiment: Experiment, modality: Modality) -> None:
    """Refuse a suite that is source and target, however it is spelt."""
    source, target = (
        {modality.name(name) for name in names} for names in (experiment.source, experiment.target)
    )
    if source & target:
        raise UsageError(f"{', '.join(sorted(source & target))} is source and target at once.")


def make_network(
    experiment: Experiment, sizes: Mapping[str, int], domains: int, truth: Truth
) -> Network:
    """Build the network, or the ensemble of networks, with fresh weights.

    Args:
        experiment: names encoder and head, and tells the number of members.
        sizes: feature widths of the dataset.
        domains: number of suites that keep statistics of their own; 1 shares them.
        truth: what is predicted.
    """
    facts = _asked(truth)
    members = range(experiment.model.members)
    return _joined([_make_member(experiment, sizes, domains, facts) for _ in members])


def _asked(truth: Truth) -> Facts:
    kind = "parameters" if truth.scaling.names else "classes"
    return {kind: len(truth.names)}


def _joined(members: Sequence[Network]) -> Network:
    return Ensemble(members) if len(members) > 1 else members[0]


def _make_member(
    experiment: Experiment, sizes: Mapping[str, int], domains: int, facts: Facts
) -> Network:
    part, head = experiment.model.encoder, experiment.model.head
    encoder = build(ENCODERS, part, "model.encoder", sizes=dict(sizes), domains=domains)
    facts = facts | {"width": encoder.width}
    wanted = _wanted(lookup(HEADS, head.name, "model.head"), facts, "model.head")
    return Network(encoder, build(HEADS, head, "model.head", **wanted))


def _wanted(constructor: Callable[..., Any], facts: Facts, where: str) -> Facts:
    """Return the facts that a constructor asks for by name.

    Raises:
        UsageError: one of them does not exist for these data.
    """
    signature = inspect.signature(constructor).parameters
    absent = [
        name
        for name in _ANY
        if name in signature
        and name not in facts
        and signature[name].default is inspect.Parameter.empty
    ]
    if absent:
        kind = "parameters" if "parameters" in facts else "classes"
        raise UsageError(
            f"{where} needs {' and '.join(absent)}, and these data ask for {kind}. Choose a part "
            f"that is made for {kind}."
        )
    return {name: value for name, value in facts.items() if name in signature}


def make_objective(experiment: Experiment, facts: Facts) -> Objective:
    """Build the task loss, the domain terms and their sum.

    Args:
        experiment: names them.
        facts: what they may be told of the data.
    """
    loss = experiment.loss
    tasks = lookup(TASKS, loss.task.name, "loss.task")
    task = build(TASKS, loss.task, "loss.task", **_wanted(tasks, facts, "loss.task"))
    if task.predicts not in facts:
        raise UsageError(
            f"loss.task: {loss.task.name} is a loss of {task.predicts}, which these data do not "
            "have. Choose another one."
        )
    terms = {
        key: (_make_term(term, f"loss.terms.{key}", facts), term.weight, term.ramp)
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
            "on the source alone with --set 'loss.terms={none: {}}'."
        )
    return made


def make_members(
    experiment: Experiment, sizes: Mapping[str, int], domains: int, facts: Facts
) -> tuple[Network, Objective | PerMember]:
    """Build network and objective, or an ensemble of networks and an objective for each.

    One member after the other, so that the first is what a single network of the
    same seed would be.

    Args:
        experiment: names their parts, and tells the number of members.
        sizes: feature widths of the dataset.
        domains: number of suites that keep statistics of their own; 1 shares them.
        facts: what parts may be told of the data.
    """
    networks, objectives = [], []
    for _ in range(experiment.model.members):
        networks.append(_make_member(experiment, sizes, domains, facts))
        objectives.append(make_objective(experiment, facts | {"width": networks[-1].width}))
    objective = PerMember(objectives) if len(objectives) > 1 else objectives[0]
    return _joined(networks), objective


def _make_term(term: Term, where: str, facts: Facts) -> DomainTerm:
    constructor = lookup(TERMS, term.name, where)
    made: DomainTerm = build(TERMS, term, where, **_wanted(constructor, facts, where))
    if made.needs_classes and "classes" not in facts:
        raise UsageError(
            f"{where}: {term.name} is a term for classes, and these data have parameters."
        )
    return made


def facts_of(prepared: Prepared) -> Facts:
    """Collect what parts may be told of the data."""
    facts = _asked(prepared.truth)
    sources, targets = prepared.of_role("source"), prepared.of_role("target")
    facts["items"] = max(1, sum(len(suite.parts()["train"]) for suite in targets))
    if "classes" in facts:
        labels = torch.cat([s.loaded.dataset.y[s.parts()["train"]].cpu() for s in sources])
        counts = torch.bincount(labels[labels >= 0], minlength=facts["classes"])
        facts["counts"] = counts[: facts["classes"]].tolist()
    return facts


def reads_target(experiment: Experiment) -> bool:
    """Whether any domain term with a weight reads target outputs."""
    return any(
        term.weight and TERMS[term.name].needs_target for term in experiment.loss.terms.values()
    )


def silent_terms(experiment: Experiment) -> list[str]:
    """Return the names of terms that are zero by what they are, and so tell nothing."""
    return [key for key, term in experiment.loss.terms.items() if TERMS[term.name] in SILENT]


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


def assemble(experiment: Experiment, prepared: Prepared) -> Assembly:
    """Build everything that training needs, seeded by the experiment."""
    torch.manual_seed(experiment.seed)
    device = choose_device(experiment.training.device)
    sources, targets = prepared.of_role("source"), prepared.of_role("target")
    learned = [*sources, *targets]
    # A target that no term reads never passes the network in training, so it would
    # have no statistics of its own to be evaluated with.
    own = experiment.model.statistics == "per_suite" and (reads_target(experiment) or not targets)
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
    )


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
    return dataset.batch(items[:_FIT_ITEMS].to(where), domain=suite.domain)


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
