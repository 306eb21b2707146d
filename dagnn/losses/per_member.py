"""One objective for each member of an ensemble."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.func import vmap

from dagnn.losses.objective import Objective
from dagnn.losses.task import TaskLoss
from dagnn.nn import has_members, member_output
from dagnn.records import Output, Pair, Terms


class PerMember(nn.Module):
    r"""Train every member of an ensemble as if it were alone.

    Member ``m`` is judged by objective ``m`` on its own outputs; terms with
    parameters of their own (a discriminator, self-tuned weights) are one per
    member. All values, the total too, are **means over the members**. The
    gradient of the total is that of the **sum**: each member takes the step that
    it would take alone, whatever the number of members.

    Where the objective has no parameters and its task loss and terms may be
    vectorised, ``torch.func.vmap`` evaluates it once for all members: with 8 of them
    and 32 + 32 items on a CPU in 30 to 60% of the time. Otherwise one by one.

    Args:
        objectives: one per member, alike.

    Raises:
        ValueError: no objective.

    Example:
        >>> from dagnn.losses import MMD, GaussianNLL
        >>> make = lambda: Objective(GaussianNLL(), {"mmd": (MMD(), 0.5, "constant")})
        >>> PerMember([make() for _ in range(8)]).needs_target
        True
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        super().__init__()
        if not objectives:
            raise ValueError("An ensemble needs an objective for each member, got none.")
        self.members = nn.ModuleList(objectives)
        first = objectives[0]
        parts = [first.task, *(term for name, term in first.terms.items() if first.weights[name])]
        self.together = all(part.vectorises for part in parts) and not list(first.parameters())

    @property
    def first(self) -> Objective:
        """The objective of member 0, which stands for all where they do not differ."""
        objective = self.members[0]
        assert isinstance(objective, Objective)
        return objective

    @property
    def task(self) -> TaskLoss:
        """The task loss."""
        return self.first.task

    @property
    def needs_target(self) -> bool:
        """Whether any term with a weight reads target outputs."""
        return self.first.needs_target

    def look_through(self, window: nn.Module) -> None:
        """Let the domain terms of every member see a pair through a window from now on."""
        for member in self.members:
            assert isinstance(member, Objective)
            member.look_through(window)

    def forward(self, pair: Pair) -> Terms:
        """Return the means over members of total, task loss and unweighted terms.

        Args:
            pair: source and target outputs with a member axis.

        Raises:
            ValueError: the outputs have no member axis, or one of another length.
        """
        self._check(pair.source)
        each = self._side_by_side(pair) if self.together else self._one_by_one(pair)
        total = each.total.sum()
        return Terms(
            total - (total - each.total.mean()).detach(),  # value of the mean, gradient of the sum
            each.task.mean(),
            {name: values.mean() for name, values in each.domain.items()},
        )

    def _side_by_side(self, pair: Pair) -> Terms:
        """Return the terms of every member, each ``[M]``, by one vectorised call."""

        def judge(source: Output, target: Output) -> Terms:
            terms: Terms = self.first(replace(pair, source=source, target=target))
            return terms

        terms: Terms = vmap(judge, randomness="different")(pair.source, pair.target)
        return terms

    def _one_by_one(self, pair: Pair) -> Terms:
        """Return the terms of every member, each ``[M]``, by one call per member."""
        terms = [
            objective(
                replace(
                    pair,
                    source=member_output(pair.source, member),
                    target=member_output(pair.target, member),
                )
            )
            for member, objective in enumerate(self.members)
        ]
        return Terms(
            torch.stack([each.total for each in terms]),
            torch.stack([each.task for each in terms]),
            {name: torch.stack([each.domain[name] for each in terms]) for name in terms[0].domain},
        )

    def _check(self, output: Output) -> None:
        found: int | None = len(output.latent) if has_members(output) else None
        if found != len(self.members):
            raise ValueError(
                f"{len(self.members)} objectives need outputs of as many members, got "
                f"{'no member axis' if found is None else f'{found} members'}."
            )

    def extra_repr(self) -> str:
        """Return how members are evaluated as text."""
        return f"together={self.together}"
