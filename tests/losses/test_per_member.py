"""Objectives of an ensemble: values are means, gradients those of each member alone."""

import copy
import inspect

import pytest
import torch

from dagnn.losses import (
    MMD,
    TASKS,
    TERMS,
    DomainTerm,
    GaussianNLL,
    Objective,
    PerMember,
    SelfTunedObjective,
)
from dagnn.records import Logits, Moments, Output, Pair

MEMBERS, WIDTH, CLASSES = 3, 4, 3


def random_pair(sources: int = 9, targets: int = 7, classes: bool = False) -> Pair:
    """Return a pair with a member axis, of two parameters or of three classes."""

    def output(items: int) -> Output:
        said = torch.randn(MEMBERS, items, CLASSES if classes else 2, requires_grad=True)
        std = torch.rand(MEMBERS, items, 2) + 0.2
        latent = torch.randn(MEMBERS, items, WIDTH, requires_grad=True)
        return Output(latent, Logits(said) if classes else Moments(said, std))

    numbers = [torch.zeros(items, dtype=torch.int64) for items in (sources, targets)]
    labels = torch.arange(sources) % CLASSES if classes else torch.rand(sources, 2)
    return Pair(output(sources), output(targets), labels, 0.3, torch.arange(targets), *numbers)


def of_member(pair: Pair, member: int) -> Pair:
    def one(output: Output) -> Output:
        columns = (column[member] for column in output.prediction)
        return Output(output.latent[member], type(output.prediction)(*columns))

    fields = vars(pair) | {"source": one(pair.source), "target": one(pair.target)}
    return Pair(**fields)


def gradients(total: torch.Tensor, pair: Pair) -> list[torch.Tensor]:
    inputs = [pair.source.latent, pair.target.latent, pair.source.prediction[0]]
    return list(torch.autograd.grad(total, inputs, allow_unused=True, materialize_grads=True))


def make_term(name: str) -> DomainTerm:
    needed = {"width": WIDTH, "classes": CLASSES, "items": 7, "dropout": 0.0}
    taken = inspect.signature(TERMS[name]).parameters
    return TERMS[name](**{key: value for key, value in needed.items() if key in taken})


def objectives(term: str | None, task: str = "gaussian_nll", kind: type[Objective] = Objective):
    return [
        kind(TASKS[task](), {term: (make_term(term), 0.5, "ganin")} if term else {})
        for _ in range(MEMBERS)
    ]


def check_against_members_alone(made: list[Objective], classes: bool = False) -> None:
    joint, pair = PerMember(copy.deepcopy(made)), random_pair(classes=classes)
    terms = joint(pair)
    alone = [objective(of_member(pair, m)) for m, objective in enumerate(made)]
    torch.testing.assert_close(terms.total, torch.stack([a.total for a in alone]).mean())
    torch.testing.assert_close(terms.task, torch.stack([a.task for a in alone]).mean())
    for name, value in terms.domain.items():
        torch.testing.assert_close(value, torch.stack([a.domain[name] for a in alone]).mean())
    expected = gradients(sum(a.total for a in alone), pair)
    for ours, theirs in zip(gradients(terms.total, pair), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


# Every term that joins the table later must be at home with one kind of prediction.
REGRESSION_TERMS = (
    *("none", "statistics", "moments", "coral", "mmd", "joint", "sinkhorn"),
    *("dare_gram", "dann"),
)


@pytest.mark.parametrize("term", REGRESSION_TERMS)
def test_every_term_gives_each_member_what_it_has_alone(term):
    check_against_members_alone(objectives(term))


@pytest.mark.parametrize("term", sorted(TERMS.keys() - set(REGRESSION_TERMS)))
def test_every_term_of_classes_gives_each_member_what_it_has_alone(term):
    check_against_members_alone(objectives(term, "cross_entropy"), classes=True)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_every_task_gives_each_member_what_it_has_alone(task):
    check_against_members_alone(objectives(None, task), classes=task == "cross_entropy")


def test_self_tuned_weights_are_one_per_member():
    made = objectives("mmd", kind=SelfTunedObjective)
    made[1].log_eta["mmd"].data.fill_(0.7)
    check_against_members_alone(made)
    joint = PerMember(made)
    assert len(list(joint.parameters())) == MEMBERS
    joint(random_pair()).total.backward()
    assert all(p.grad is not None and p.grad != 0 for p in joint.parameters())


def test_only_what_has_no_parameters_runs_side_by_side():
    assert PerMember(objectives("mmd")).together
    assert PerMember(objectives(None)).together
    assert not PerMember(objectives("dann")).together
    assert not PerMember(objectives("dare_gram")).together
    assert not PerMember(objectives("mmd", kind=SelfTunedObjective)).together


def test_a_source_only_ensemble_needs_no_target():
    pair = random_pair(targets=0)
    joint = PerMember(objectives("none"))
    assert not joint.needs_target
    assert joint(pair).total.isfinite()


def test_the_interface_is_that_of_an_objective():
    joint = PerMember([Objective(GaussianNLL(), {"mmd": (MMD(), 1.0, "constant")})] * MEMBERS)
    assert joint.needs_target and isinstance(joint.task, GaussianNLL)
    assert "together=True" in repr(joint)


def test_outputs_of_other_members_are_refused():
    pair = random_pair()
    with pytest.raises(ValueError, match="got 3 members"):
        PerMember(objectives("mmd")[:2])(pair)
    with pytest.raises(ValueError, match="no member axis"):
        PerMember(objectives("mmd"))(of_member(pair, 0))
    with pytest.raises(ValueError, match="objective for each member"):
        PerMember([])
