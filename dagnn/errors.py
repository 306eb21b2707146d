"""Errors a user can meet: each names what came, what was expected and what to do.

The command line turns ``exit_code`` into the exit status: 1 failed while
running, 2 wrong usage or configuration, 3 data missing or broken, 130
interrupted after a checkpoint was written.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class DagnnError(Exception):
    """Base of every error that dagnn raises for a user to read."""

    exit_code = 1


class UsageError(DagnnError):
    """A flag, a name or a combination of options that cannot be meant."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or override that does not validate."""


class MissingPackageError(UsageError):
    """An optional package is needed here and is not installed."""


class DataError(DagnnError):
    """Data are missing or broken."""

    exit_code = 3


class MissingDataError(DataError):
    """A requested file or folder does not exist or holds nothing usable."""


class NotHDF5Error(DataError):
    """A file that should be HDF5 holds something else (often an HTML error page)."""


class TruncatedFileError(DataError):
    """A file ends before the end that its own index states (a broken download)."""


class UnwrittenDataError(DataError):
    """A dataset is declared and its values are not all there: fill values would be read."""


class UnreadableFileError(DataError):
    """A file cannot be read here: it is locked, may not be read, or needs a plug-in."""


class MissingFieldError(DataError):
    """A column, dataset or attribute is absent; the message lists what exists."""


class EmptyCatalogError(DataError):
    """No galaxy is left after the selection."""


class MissingChunkError(DataError):
    """One of the files of a catalogue that is split into chunks is absent."""


class MismatchError(DataError):
    """Two sources disagree: box size, redshift, parameters, or shapes."""


class ImplausibleError(MismatchError):
    """Values that no such data can hold: other units, or a part of a box."""


class UnknownSimulationError(DataError):
    """A simulation is absent from the parameter table."""


class TableError(DataError):
    """A parameter table cannot be read."""


class CheckpointError(DataError):
    """A checkpoint is absent, broken, or belongs to another experiment."""


class StorageError(DataError):
    """The storage of a study cannot be reached or read."""


class NonFiniteLossError(DagnnError):
    """The loss became NaN or infinite; the last good checkpoint is kept."""


class LostProcessError(DagnnError):
    """Another process of a training by several has gone."""


class Interrupted(DagnnError):  # noqa: N818 - an interruption, not an error of the program
    """The user pressed Ctrl-C; a checkpoint was written and the run can be resumed."""

    exit_code = 130


def meant(name: str, choices: Iterable[str]) -> str:
    """Ask whether the nearest valid choice was meant; nothing where none is near.

    Args:
        name: what the user wrote.
        choices: what would have been valid.

    Example:
        >>> meant("SDSSS", ["sdss", "decals"]), meant("hst", ["sdss", "decals"])
        ("Did you mean 'sdss'? ", '')
    """
    lower = {choice.lower(): choice for choice in sorted(choices)}
    matches = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return f"Did you mean {lower[matches[0]]!r}? " if matches else ""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return a sentence that names the nearest valid choice and lists them all.

    Args:
        name: what the user wrote.
        choices: what would have been valid.

    Example:
        >>> nearest("simbaa", ["tng", "simba"])
        "Did you mean 'simba'? Known: simba, tng."
    """
    known = sorted(choices)
    return f"{meant(name, known)}Known: {', '.join(known)}."
