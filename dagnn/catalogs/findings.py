"""The record that an inspection returns."""

from dataclasses import dataclass

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Inspection:
    """What a path holds.

    Attributes:
        kind: ``catalogue``, ``parameter table``, ``data folder``, ``power spectra``, ``array``,
            ``weights``, ``suite``, ``YAML file``, ``run``, ``images`` or ``unknown``.
        title: its name.
        facts: label and value, in the order to print.
        problems: what is wrong, in the words of the errors that reading it would raise.
        warnings: what is odd and keeps nobody from using it.
        commands: what it would be good for, and the command for that.
    """

    kind: str
    title: str
    facts: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
