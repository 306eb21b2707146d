"""From a configuration to network, objective, streams and settings."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from dagnn.config import Component, Experiment, Term, build, check_options, lookup
from dagnn.data.requests import Truth
from dagnn.data.streams import Domains, Stream
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
from dagnn.run.prepared import Prepared, SuiteData, modality_of, reads_target
from dagnn.training import TARGET_ORACLE, Checkpoint, TrainSettings, load_weights

Sizes = dict[str, Any]
"""What constructors may take from the data: ``width`` of the latent, number of ``parameters`` or
``classes``, ``counts`` of training items per class, number of target training ``items``."""
ANY: Sizes = {"width": 1, "parameters": 1, "classes": 2, "counts": [1, 1], "items": 1}
"""All of them, with values that stand in where there are no data yet."""
SILENT = (NoAdaptation, StatisticsOnly)
"""Terms that choose which batches are drawn, and add nothing to the loss."""
# An input statistic from this many items is as good as from all of them.
_FIT_ITEMS = 2048
# A forward pass of as many fits into memory.
_ITEMS_AT_ONCE = 256


def make_network(
    experiment: Experiment, sizes: Mapping[str, int], domains: int, truth: Truth
) -> Network:
    """Build the network, or the ensemble of networks, with fresh weights.

    Args:
        experiment: names encoder and head, and the number of members.
        sizes: feature widths of the dataset.
        domains: number of suites that keep statistics of their own; 1 shares them.
        truth: what is predicted.
    """
    known = _outputs(truth)
    members = range(experiment.model.members)
    return _joined([_make_member(experiment, sizes, domains, known) for _ in members])


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


def _outputs(truth: Truth) -> Sizes:
    kind = "parameters" if truth.scaling.names else "classes"
    return {kind: len(truth.names)}


def _joined(members: Sequence[Network]) -> Network:
    return Ensemble(members) if len(members) > 1 else members[0]


def _make_member(
    experiment: Experiment, sizes: Mapping[str, int], domains: int, known: Sizes
) -> Network:
    part = experiment.model.encoder
    encoder = build(ENCODERS, part, "model.encoder", sizes=dict(sizes), domains=domains)
    known = known | {"width": encoder.width}
    return Network(encoder, _build(HEADS, experiment.model.head, "model.head", known))


def _build(
    table: Mapping[str, Callable[..., Any]], part: Component, where: str, known: Sizes
) -> Any:
    """Build a part with those sizes of the data that its constructor names."""
    return build(table, part, where, **_wanted(lookup(table, part.name, where), known, where))


def _wanted(constructor: Callable[..., Any], known: Sizes, where: str) -> Sizes:
    """Return the sizes that a constructor takes by name.

    Raises:
        UsageError: one of them does not exist for these data.
    """
    signature = inspect.signature(constructor).parameters
    absent = [
        name
        for name in ANY
        if name in signature
        and name not in known
        and signature[name].default is inspect.Parameter.empty
    ]
    if absent:
        kind = "parameters" if "parameters" in known else "classes"
        raise UsageError(
            f"{where} needs {' and '.join(absent)}, and these data ask for {kind}. Choose a part "
            f"that is made for {kind}."
        )
    return {name: value for name, value in known.items() if name in signature}


def _make_objective(experiment: Experiment, known: Sizes) -> Objective:
    """Build the task loss, the domain terms and their sum."""
    loss = experiment.loss
    task = _build(TASKS, loss.task, "loss.task", known)
    if task.predicts not in known:
        raise UsageError(
            f"loss.task: {loss.task.name} is a loss of {task.predicts}, which these data do not "
            "have. Choose another one."
        )
    terms = {
        key: (_make_term(term, f"loss.terms.{key}", known), term.weight, term.ramp)
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


def _make_term(term: Term, where: str, known: Sizes) -> DomainTerm:
    made: DomainTerm = _build(TERMS, term, where, known)
    if made.needs_classes and "classes" not in known:
        raise UsageError(
            f"{where}: {term.name} is a term for classes, and these data have parameters."
        )
    return made


def _sizes_of(prepared: Prepared) -> Sizes:
    """Collect what constructors may take from the data."""
    known = _outputs(prepared.truth)
    sources, targets = prepared.of_role("source"), prepared.of_role("target")
    known["items"] = max(1, sum(len(suite.parts()["train"]) for suite in targets))
    if "classes" in known:
        labels = torch.cat([s.loaded.dataset.y[s.parts()["train"]].cpu() for s in sources])
        counts = torch.bincount(labels[labels >= 0], minlength=known["classes"])
        known["counts"] = counts[: known["classes"]].tolist()
    return known


def silent_terms(experiment: Experiment) -> list[str]:
    """Return the names of terms that are zero by construction."""
    terms = experiment.loss.terms.items()
    return [key for key, term in terms if lookup(TERMS, term.name, f"loss.terms.{key}") in SILENT]


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
    """Refuse an invalid experiment before any data are read.

    Raises:
        ConfigError: an unknown name or option, or a value that its part refuses.
    """
    modality = modality_of(experiment)
    source, target = (
        {modality.name(name) for name in names} for names in (experiment.source, experiment.target)
    )
    if source & target:  # however they are spelt
        raise UsageError(f"{', '.join(sorted(source & target))} is source and target at once.")
    if experiment.training.select_on == TARGET_ORACLE and not experiment.target:
        raise UsageError(f"training.select_on: {TARGET_ORACLE} needs a target suite.")
    encoder, head = experiment.model.encoder, experiment.model.head
    chosen = lookup(ENCODERS, encoder.name, "model.encoder")
    check_options(chosen, encoder, "model.encoder", {"sizes": {}, "domains": 1})
    constructor = lookup(HEADS, head.name, "model.head")
    check_options(constructor, head, "model.head", _wanted(constructor, ANY, "model.head"))
    _make_objective(experiment, ANY)
    _make_settings(experiment)
    choose_device(experiment.training.device)


def _make_settings(experiment: Experiment) -> TrainSettings:
    """Collect how to train: the configuration names it as the trainer does."""
    names = {field.name for field in fields(TrainSettings)}
    return TrainSettings(**experiment.training.model_dump(include=names))


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
    sizes, known = sources[0].loaded.dataset.sizes, _sizes_of(prepared)
    networks, objectives = [], []
    # One after the other, so that the first is what a single network of the same seed would be.
    for _ in range(experiment.model.members):
        networks.append(_make_member(experiment, sizes, domains, known))
        objectives.append(_make_objective(experiment, known | {"width": networks[-1].width}))
    network = _joined(networks)
    objective = PerMember(objectives) if len(objectives) > 1 else objectives[0]
    if own:
        for suite in learned:
            network.fit_inputs(training_batch(suite))
    else:
        network.fit_inputs(*map(training_batch, sources))
    size, seed = experiment.training.batch_size, experiment.seed

    def streams(suites: Sequence[SuiteData]) -> list[Stream]:
        return [
            Stream(s.loaded.dataset.to(device), s.parts()["train"].numpy(), size, seed=seed)
            for s in suites
        ]

    return Assembly(
        network.to(device),
        objective.to(device),
        Domains(streams(sources), streams(targets), experiment.training.steps_per_epoch),
        _make_settings(experiment),
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
