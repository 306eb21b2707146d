"""Who trains: one process alone, or several that share every batch."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from dagnn.training.loop import Loop


class Team:
    """One process alone: there is nobody to ask or to tell.

    Attributes:
        size: number of processes.
    """

    size = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that does everything but its share of the steps."""
        return True

    def follow(self) -> None:
        """Train along whatever another process leads, until it says that all is done."""

    def lead(self, loop: "Loop") -> None:
        """Make the others ready to train along; called once, when training starts."""

    def epoch(self, loop: "Loop") -> AbstractContextManager[None]:
        """Return what the steps of an epoch run in; the others take the same steps."""
        return nullcontext()

    def step(self) -> AbstractContextManager[None]:
        """Return what forward and backward pass of a step run in."""
        return nullcontext()

    def apart(self) -> AbstractContextManager[None]:
        """Return what the network runs in: its random numbers belong to the own items."""
        return nullcontext()

    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Average gradients over the processes."""


ALONE = Team()
_TEAM: ContextVar[Team] = ContextVar("team", default=ALONE)


def current_team() -> Team:
    """Return the team that this process belongs to.

    Example:
        >>> current_team().size
        1
    """
    return _TEAM.get()
