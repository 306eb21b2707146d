"""The norm of a gradient and its clipping, for one network or for each member of an ensemble."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

SMALLEST_NORM = 1e-6


def stacked_parameters(modules: Iterable[nn.Module]) -> dict[int, nn.Parameter]:
    """Return, by ``id``, the parameters with a leading member axis.

    They are those of modules with a ``member_count`` (an ensemble), also where
    such a module is wrapped in another.
    """
    ensembles = (
        part
        for module in modules
        for part in module.modules()
        if getattr(part, "member_count", None)
    )
    return {id(p): p for ensemble in ensembles for p in ensemble.parameters()}


class Gradients:
    """The gradient of every member, clipped as if the member were trained alone.

    A norm over all members would clip each by what the others do, and the more
    the larger the ensemble. One network counts as one member.

    Args:
        network: its parameters have a member axis if it has a ``member_count``.
        objective: for an ensemble, one with ``members``: an objective for each.

    Raises:
        ValueError: parameters of the objective belong to no member.
    """

    def __init__(self, network: nn.Module, objective: nn.Module) -> None:
        self.stacked = list(stacked_parameters([network]).values())
        if not self.stacked:
            both = [*network.parameters(), *objective.parameters()]
            self.own = [list({id(p): p for p in both}.values())]
            return
        members: Sequence[nn.Module] = list(getattr(objective, "members", ()))
        self.own = [list(member.parameters()) for member in members]
        if len(members) != len(self.stacked[0]):
            raise ValueError(
                f"An ensemble of {len(self.stacked[0])} needs an objective for each member "
                f"(losses.PerMember), got {len(members)}."
            )

    def norms(self) -> Tensor:
        """Return the norm of each member's gradient, ``[M]``."""
        own = [torch.nn.utils.get_total_norm(_gradients(share)) for share in self.own]
        stacked = _gradients(self.stacked)
        if not stacked:
            return torch.stack(own)
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in stacked])
        return (norms.square().sum(0) + torch.stack(own).to(norms).square()).sqrt()

    def clip(self, norms: Tensor, largest: float) -> None:
        """Scale down the gradient of each member whose norm is too large.

        Args:
            norms: of the members, ``[M]``.
            largest: norm that a gradient may have.
        """
        for share, norm in zip(self.own, norms, strict=True):
            torch.nn.utils.clip_grads_with_norm_(share, largest, norm)
        factors = (largest / (norms + SMALLEST_NORM)).clamp(max=1.0)
        for gradient in _gradients(self.stacked):
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))


def _gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None]
