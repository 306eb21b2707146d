"""What the name of a file of galaxy power spectra says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from dagnn.catalogs.suites import Suite, known_suites
from dagnn.data.power import SAME_REDSHIFT
from dagnn.errors import MismatchError

_NAME = re.compile(r"Pk_galaxies_(.+)_([A-Za-z0-9]+)_(\d+)_kmax=[\d.]+\.npy")


@dataclass(frozen=True)
class Named:
    """What the name of a file of spectra says.

    Attributes:
        suite: whose they are.
        set: simulation set.
        snapshot: number in the old numbering.
    """

    suite: Suite
    set: str
    snapshot: int

    @property
    def redshift(self) -> float:
        """Redshift of the snapshot."""
        return self.suite.old_redshift(self.snapshot)

    @property
    def title(self) -> str:
        """Suite and set."""
        return f"{self.suite.name} {self.set}"


def named_in(file: Path) -> Named | None:
    """Return what a name says, or None where it is no name that training looks for.

    Example:
        >>> named_in(Path("Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy")).redshift
        0.0
    """
    found = _NAME.fullmatch(file.name)
    for suite in known_suites().values() if found else ():
        if found and found[1] in suite.spellings and int(found[3]) < len(suite.snapshots.old):
            return Named(suite, found[2], int(found[3]))
    return None


def require_redshifts(files: Sequence[Path], redshifts: Sequence[float]) -> None:
    """Refuse files whose names say another redshift than is read.

    Args:
        files: as many consecutive ones as redshifts form an input.
        redshifts: that they should have; the nearest snapshot of a suite will do.

    Raises:
        MismatchError: a file has another one.
    """
    for file, asked in zip(files, cycle(redshifts), strict=False):
        named = named_in(Path(file))
        if named is None:
            continue
        there = [
            named.suite.old_redshift(number) for number in range(len(named.suite.snapshots.old))
        ]
        nearest = min(there, key=lambda redshift: abs(redshift - asked))
        if abs(named.redshift - nearest) > SAME_REDSHIFT:
            raise MismatchError(
                f"{file} is at redshift {named.redshift:.3f}, by its name, where {nearest:.3f} is "
                "expected. Give the file of that snapshot, in the order of data.redshifts."
            )
