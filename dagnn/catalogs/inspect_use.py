"""The command that would use what lies in a data folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from dagnn.catalogs.suite import Suite

Command = tuple[str, str]
DEFAULT_SET, DEFAULT_VOLUME = "LH", "L25n256"


@dataclass(frozen=True)
class There:
    """A suite of which a folder holds something.

    Attributes:
        suite: its short name.
        set: which simulations.
        volume: their volume.
        redshift: of what is there; 0 where that is among it.
        labelled: whether a parameter table lies with them.
    """

    suite: str
    set: str
    volume: str
    redshift: float
    labelled: bool


def redshift_there(suite: Suite, snapshots: Sequence[int]) -> float:
    """Return 0 where that is among some snapshots, or the lowest redshift of them.

    Args:
        suite: tells redshifts by number.
        snapshots: numbers; -1 where a path has none.
    """
    known = [suite.snapshots.redshifts[n] for n in snapshots if n < len(suite.snapshots.redshifts)]
    present = {-1, *suite.snapshot_numbers(0.0)}
    return 0.0 if present & set(snapshots) else min(known, default=0.0)


def how_to_train(there: Sequence[There], data: Path, config: str, alone: str) -> list[Command]:
    """Return the command that trains on suites of a folder; none where nothing has labels.

    Args:
        there: what the folder holds.
        data: the folder.
        config: option that names the configuration, or nothing.
        alone: the same for one suite without another to carry over to.
    """
    groups: dict[tuple[str, str, float], list[There]] = {}
    for each in there:
        groups.setdefault((each.set, each.volume, each.redshift), []).append(each)
    usable = [group for group in groups.values() if any(each.labelled for each in group)]
    if not usable:
        return []
    best = max(usable, key=lambda group: (len(group), _settings(group[0]) == ""))
    ordered = sorted(best, key=lambda each: (not each.labelled, each.suite != "tng"))
    source, *others = [each.suite for each in ordered]
    target = f" --target {others[0]}" if others else " --set 'target=[]'"
    purpose = "To train" if others else "To train (there is no second suite to carry over to)"
    chosen = config if others else alone
    command = f"dagnn train{chosen} --source {source}{target}{_settings(best[0])}"
    return [(purpose, f"{command} --data {quote(str(data))}")]


def _settings(there: There) -> str:
    """Write what of a suite the shipped configurations do not ask for."""
    asked = {
        f"data.set={there.set}": there.set != DEFAULT_SET,
        f"data.volume={there.volume}": there.volume != DEFAULT_VOLUME,
        f"'data.redshifts=[{there.redshift:g}]'": there.redshift != 0,
    }
    return "".join(f" --set {setting}" for setting, other in asked.items() if other)
