"""Networks and objectives out of a configuration, told what they ask of the data."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from dagnn.config import Experiment, Term, build, lookup
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
from dagnn.run.prepared import Prepared

Facts = dict[str, Any]
"""What parts are told of the data: ``width`` of the latent, ``parameters`` or ``classes`` to
predict, ``counts`` of training items per class, target training ``items``."""
ANY: Facts = {"width": 1, "parameters": 1, "classes": 2, "counts": [1, 1], "items": 1}
"""What may be asked for, with values that stand in where there are no data yet."""
SILENT = (NoAdaptation, StatisticsOnly)
"""Terms that say which batches are drawn, and add nothing to the loss."""


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
    told = wanted(lookup(HEADS, head.name, "model.head"), facts, "model.head")
    return Network(encoder, build(HEADS, head, "model.head", **told))


def wanted(constructor: Callable[..., Any], facts: Facts, where: str) -> Facts:
    """Return the facts that a constructor asks for by name.

    Raises:
        UsageError: one of them does not exist for these data.
    """
    signature = inspect.signature(constructor).parameters
    absent = [
        name
        for name in ANY
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
    task = build(TASKS, loss.task, "loss.task", **wanted(tasks, facts, "loss.task"))
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
    made: DomainTerm = build(TERMS, term, where, **wanted(constructor, facts, where))
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
    terms = experiment.loss.terms.items()
    return [key for key, term in terms if lookup(TERMS, term.name, f"loss.terms.{key}") in SILENT]


def parameter_count(network: nn.Module) -> int:
    """Count the trainable numbers of a network."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
