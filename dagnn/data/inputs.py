"""What the columns of inputs stand for: a network must meet them as in its training."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dagnn.errors import MismatchError

Grid = Mapping[str, Sequence[float]]
"""Redshift by redshift, the wavenumbers [h/Mpc] of a file's columns; empty where unknown."""

# Files of text are rounded, at the worst to one decimal; small steps are no rounding.
_ROUNDED, _OF_A_STEP, _RELATIVE = 0.05, 0.25, 0.005
_SAME_KMAX = 0.05
# In dex: suites differ by 0.1 to 0.3, powers in (Mpc/h)³ and Mpc³ by 0.5.
_SAME_UNIT = 0.4


@dataclass(frozen=True)
class Inputs:
    """How inputs were made of files, as the checkpoint keeps it.

    Attributes:
        settings: option → value; equal in all inputs of one network.
        grid: redshift by redshift (``redshift 1``, ...), the wavenumbers in h/Mpc of a file of
            spectra, before it is rebinned; empty where nothing gives them. Inputs that have no
            wavenumbers have no entry.
        kmax: redshift by redshift, the largest wavenumber that the file's name gives; 0 if none.
        files: redshift by redshift, the file.
        level: redshift by redshift, the median of log10 P of enough spectra.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid = field(default_factory=dict)
    kmax: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    level: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def stored(cls, meta: Mapping[str, Any]) -> "Inputs":
        """Return what a checkpoint says; nothing where it is older than that."""
        return cls(**meta.get("inputs", {}))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return asdict(self)

    def require_same(
        self, other: "Inputs", what: str, whose: str, adjustable: Collection[str] = ()
    ) -> list[str]:
        """Compare with the inputs of other files; return what is unknown, as notes.

        Args:
            other: that they should be like.
            what: how messages call these.
            whose: how messages call the others.
            adjustable: settings that may differ, which is noted.

        Raises:
            MismatchError: a setting or the wavenumbers differ.
        """
        changed = [
            f"{name} is {self.settings[name]} for {what} and {value} for {whose}"
            for name, value in other.settings.items()
            if name in self.settings and not _equal(self.settings[name], value)
            if name not in adjustable
        ]
        if changed:
            raise MismatchError(
                f"Inputs are made in another way: {'; '.join(changed)}. The network reads every "
                "column as what it was in training, so both must be the same."
            )
        notes = [
            f"{name} is {self.settings[name]}, and {other.settings[name]} for {whose}"
            for name in adjustable
            if self.settings.get(name) != other.settings.get(name, self.settings.get(name))
        ]
        for name in self.grid:
            notes += self._require_same_grid(other, name, what, whose)
        for name in self.level.keys() & other.level.keys():
            dex = self.level[name] - other.level[name]
            if abs(dex) > _SAME_UNIT:
                notes.append(
                    f"the power of {what}, {name}, is typically {10**dex:.3g} times that of "
                    f"{whose}. Suites differ by less as a rule: check its unit, (Mpc/h)³"
                )
        return notes

    def _require_same_grid(self, other: "Inputs", name: str, what: str, whose: str) -> list[str]:
        here, there = self.grid[name], other.grid.get(name, ())
        ours, theirs = self.kmax.get(name, 0.0), other.kmax.get(name, 0.0)
        if here and there and not same_wavenumbers(here, there):
            raise MismatchError(
                f"{what}, {name}: {self._at(name)}; {whose}: {other._at(name)}. The network "
                "reads every column as one wavenumber, so both must be the same. Check the "
                "unit of k_values.txt (h/Mpc) and the largest wavenumber of the files "
                "(data.kmax chooses where a folder has several)."
            )
        if ours and theirs and not math.isclose(ours, theirs, rel_tol=_SAME_KMAX):
            raise MismatchError(
                f"{what}, {name}: wavenumbers up to {ours:g} h/Mpc by the name of "
                f"{self.files.get(name, 'the file')}; {whose}: up to {theirs:g} h/Mpc by the name "
                f"of {other.files.get(name, 'its file')}. Both must be the same, and "
                "k_values.txt that of the spectra beside it."
            )
        if here and there:
            return []
        unknown = whose if here else what
        return [
            f"The wavenumbers of {unknown} are not known, so that {what} and {whose} could not be "
            "compared in them (k_values.txt beside a file of spectra gives them; older runs do "
            "not keep them)."
        ]

    def _at(self, name: str) -> str:
        """Describe the wavenumbers of one redshift and where they are from."""
        k, file = self.grid[name], self.files.get(name)
        where = f" ({file})" if file else ""
        return f"{len(k)} wavenumbers from {k[0]:.4g} to {k[-1]:.4g} h/Mpc{where}"


def same_wavenumbers(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Return whether two lists of wavenumbers are the same but for rounding.

    Example:
        >>> same_wavenumbers([0.356, 0.603, 0.858], [0.36, 0.6, 0.86])
        True
        >>> same_wavenumbers([0.356, 0.603, 0.858], [0.239, 0.405, 0.576])
        False
    """
    if len(ours) != len(theirs):
        return False
    k = np.asarray(theirs, dtype=float)
    steps = np.diff(k, prepend=0.0)
    step = np.minimum(steps, np.append(steps[1:], np.inf))
    allowed = np.maximum(_RELATIVE * k, np.minimum(_ROUNDED, _OF_A_STEP * step))
    return bool((np.abs(np.asarray(ours) - k) <= allowed).all())


def _equal(ours: Any, theirs: Any) -> bool:
    """Compare plain values; a checkpoint may give lists where there were tuples."""
    sequences = isinstance(ours, list | tuple) and isinstance(theirs, list | tuple)
    return bool(list(ours) == list(theirs) if sequences else ours == theirs)
