"""Through the statistics of which trained suite new files are seen."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from dagnn.errors import UsageError, nearest
from dagnn.training import Checkpoint


def named_by(files: Sequence[Path], domains: Sequence[str]) -> str | None:
    """Return the trained suite that the paths of all files name as a word, if they agree.

    Names of files count before those of their folders.

    Example:
        >>> named_by([Path("sdss/gz_illustris.npz")], ["sdss", "illustris"])
        'illustris'
    """
    found = {_named_by(Path(file), domains) for file in files}
    return found.pop() if len(found) == 1 else None


def require_one(files: Sequence[Path], checkpoint: Checkpoint) -> None:
    """Refuse files of several trained suites where each has statistics of its own.

    Raises:
        UsageError: the paths name more than one.
    """
    domains = checkpoint.meta["domains"]
    found = {_named_by(Path(file), domains) for file in files} - {None}
    if len(found) > 1 and checkpoint.meta["statistics"] > 1:
        raise UsageError(
            f"The paths name {' and '.join(sorted(map(str, found)))}, and every suite of the run "
            "has statistics of its own. Predict one suite at a time, or name one with --suite."
        )


def _named_by(file: Path, domains: Sequence[str]) -> str | None:
    for part in reversed(file.absolute().parts):
        words = re.split(r"[^a-z0-9]+", part.casefold())
        named = [domain for domain in domains if domain.casefold() in words]
        if named:
            return named[0] if len(named) == 1 else None
    return None


def choose_suite(
    asked: str | None,
    guessed: str | None,
    checkpoint: Checkpoint,
    adapted: bool,
    console: Console,
) -> str | None:
    """Decide which suite's statistics to see new files through, and say so.

    Args:
        asked: what the user named.
        guessed: what the paths of the files name.
        checkpoint: of the run.
        adapted: whether statistics are estimated from the files themselves.
        console: where to say it.
    """
    domains = checkpoint.meta["domains"]
    if asked is not None or adapted:
        return asked
    if checkpoint.meta["statistics"] == 1:
        return guessed if guessed in domains else None
    chosen = guessed if guessed in domains else None
    why = (
        f"Seen through the statistics of {escape(chosen)}, which the paths name."
        if chosen
        else f"[yellow]Note:[/] Seen through the statistics of {escape(domains[0])}, as the paths "
        "name no suite of the run. Files of another suite are then predicted as if nothing were "
        "aligned."
    )
    console.print(
        f"{why} Others: --suite {escape(' or '.join(domains))}, or --adapt-statistics.",
        highlight=False,
        soft_wrap=True,
    )
    return chosen


def domain_of(suite: str | None, domains: Sequence[str]) -> int:
    """Return the number that a suite had in training; 0, the first source, for none.

    Raises:
        UsageError: the run was not trained on it.
    """
    if suite is None:
        return 0
    if suite not in domains:
        raise UsageError(f"The run was not trained on {suite}. {nearest(suite, domains)}")
    return list(domains).index(suite)
