"""Files of galaxy power spectra: found, named, read, checked, rebinned."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.suites import Suite, known_suites
from dagnn.data.requests import Inputs, same_wavenumbers
from dagnn.errors import ConfigError, DataError, MismatchError, MissingDataError, TruncatedFileError
from dagnn.records import FloatArray
from dagnn.stored import read_npy, reading

# Folders below the data folder that may hold the files (PS_files: CosmoGraphNet).
FOLDERS = ("", "PS_files")
_MAGIC = b"\x93NUMPY"
WAVENUMBERS = "k_values.txt"
LOG_BELOW, LOG_FALLS, LOG_SHARE = 15.0, (1.1, 5.0), 0.9
"""A logarithm of power is below this, and falls with wavenumber by a factor between these, in at
least this share of spectra."""
RISES = 3.0
"""Factor by which k³P(k) rises at least, where P(k) falls."""
FEWEST_FOR_LEVEL = 10
"""Spectra from which their typical power is known well enough to compare it."""
BEYOND = 1.05
"""Factor by which wavenumbers may lie beyond the largest that a file's name gives."""
SAME_REDSHIFT = 0.006
"""Redshifts as near as this are one snapshot, rounded."""


def find_power(
    data: Path, suite: Suite, redshift: float, simulation_set: str, kmax: float | None = None
) -> tuple[Path, float]:
    """Find ``Pk_galaxies_{suite}_{set}_{snapshot}_kmax=*.npy`` of one redshift.

    Args:
        data: data folder.
        suite: gives spellings and snapshot numbers. These files count snapshots in the
            old way (033 is z = 0); the same number means another redshift today, and
            nothing inside a file could tell, so current numbers are not tried.
        redshift: of the snapshot.
        simulation_set: for example ``LH``.
        kmax: largest wavenumber in h/Mpc, as the name gives it; None takes the largest there is.

    Returns:
        The file, and the redshift of its snapshot: the requested one, or the nearest.

    Raises:
        MissingDataError: no such file; the message lists what was looked for and
            what is there.
        UsageError: the suite keeps no snapshot at this redshift.
    """
    numbers = suite.old_snapshot_numbers(redshift)
    for number in numbers:
        found = _files(data, suite, number, simulation_set)
        chosen = [file for file in found if kmax is None or kmax_of(file) == kmax]
        if chosen:
            return max(chosen, key=kmax_of), suite.old_redshift(number)
    folders = [data / folder for folder in FOLDERS]
    patterns = [_pattern(suite.spellings[0], simulation_set, number) for number in numbers]
    present = sorted(path.name for folder in folders for path in folder.glob("Pk_*.npy"))
    raise MissingDataError(
        f"No power spectra of {suite.name} at z={redshift:g} in {data}. "
        f"Looked for {' and '.join(patterns)}{'' if kmax is None else f' with kmax={kmax:g}'}; "
        f"there {'are ' + ', '.join(present) if present else 'is no Pk_*.npy at all'}."
    )


def kmax_of(file: Path) -> float:
    """Return the largest wavenumber that the name of a file of spectra gives, in h/Mpc; 0 if none.

    Example:
        >>> kmax_of(Path("Pk_galaxies_SIMBA_LH_33_kmax=20.0.npy"))
        20.0
    """
    found = re.search(r"kmax=(\d+(?:\.\d+)?(?:e\d+)?)\.npy$", file.name)
    return float(found[1]) if found else 0.0


def kmax_there(data: Path, suite: Suite, redshift: float, simulation_set: str) -> set[float]:
    """Return every largest wavenumber that a suite's spectra of one redshift are there with.

    Arguments are those of :func:`find_power`, which reads one of them.
    """
    for number in suite.old_snapshot_numbers(redshift):
        found = _files(data, suite, number, simulation_set)
        if found:
            return {kmax_of(file) for file in found}
    return set()


def _pattern(spelling: str, simulation_set: str, number: int) -> str:
    return f"Pk_galaxies_{spelling}_{simulation_set}_{number}_kmax=*.npy"


def _files(data: Path, suite: Suite, number: int, simulation_set: str) -> list[Path]:
    return [
        path
        for spelling in suite.spellings
        for folder in FOLDERS
        for path in sorted((data / folder).glob(_pattern(spelling, simulation_set, number)))
    ]


def available_redshifts(
    suite: Suite, data: Path, simulation_set: str, kmax: float | None = None
) -> tuple[float, ...]:
    """Return the redshifts of a suite's files of spectra, increasing.

    Args:
        suite: gives spellings and snapshot numbers.
        data: data folder.
        simulation_set: for example ``LH``.
        kmax: only files of this largest wavenumber; None takes all.
    """
    there = [
        number
        for number in range(len(suite.snapshots.old))
        for files in [_files(data, suite, number, simulation_set)]
        if any(kmax is None or kmax_of(file) == kmax for file in files)
    ]
    return tuple(sorted(suite.old_redshift(number) for number in there))


def read_power(path: Path) -> FloatArray:
    """Read spectra ``[n, K]`` in (Mpc/h)³; a one-dimensional file is one spectrum.

    Raises:
        MissingDataError: there is no such file.
        TruncatedFileError: the file ends before its header says.
        DataError: it is not a numpy file of numbers in one or two dimensions.
    """
    if not path.is_file():
        raise MissingDataError(f"{path}: there is no such file of power spectra.")
    with path.open("rb") as file:
        is_numpy = file.read(len(_MAGIC)) == _MAGIC
    expected = "Expected a .npy file [boxes, wavenumbers]. Download it again."
    kind = TruncatedFileError if is_numpy else DataError
    with reading(path, expected, kind, "is not a numpy array, or not a whole one"):
        power = read_npy(path)
    if power.dtype.kind not in "fiu" or power.ndim not in (1, 2):
        raise DataError(
            f"{path}: expected numbers [boxes, wavenumbers], got {power.dtype} of shape "
            f"{list(power.shape)}."
        )
    return np.atleast_2d(power.astype(np.float64))


def read_wavenumbers(power_file: Path) -> FloatArray:
    """Read the wavenumbers ``[K]`` in h/Mpc from ``k_values.txt`` beside a file of spectra.

    Raises:
        MissingDataError: the file is absent.
        DataError: it does not hold increasing positive numbers.
    """
    path = power_file.with_name(WAVENUMBERS)
    if not path.is_file():
        raise MissingDataError(
            f"{path} is absent: it gives the wavenumber (h/Mpc) of every column of "
            f"{power_file.name}. Put it there, or set bins to null to use the columns as they are."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an empty file is told below
            k = np.atleast_1d(np.loadtxt(path, dtype=np.float64))
    except ValueError as error:
        raise DataError(f"{path}: expected one wavenumber per line ({error}).") from error
    if k.ndim != 1 or not len(k) or not (np.diff(k, prepend=0.0) > 0).all():
        raise DataError(f"{path}: expected increasing positive wavenumbers, one per line.")
    return k


def log_bins(wavenumbers: FloatArray, bins: int) -> NDArray[np.int64]:
    """Assign wavenumbers to ``bins`` logarithmic bins, none of them empty.

    Measured wavenumbers are equally spaced, so narrow logarithmic bins hold
    none of the lowest. Edges are made finer until ``bins`` of them are filled.

    Args:
        wavenumbers: increasing ``[K]``.
        bins: number of bins, at most ``K``.

    Returns:
        Bin of every wavenumber ``[K]``, 0 to ``bins − 1``.

    Raises:
        ConfigError: there are fewer wavenumbers than bins.

    Example:
        >>> log_bins(np.arange(1.0, 9.0), 4)
        array([0, 1, 2, 2, 3, 3, 3, 3])
    """
    if not 1 <= bins <= len(wavenumbers):
        raise ConfigError(f"bins must lie between 1 and {len(wavenumbers)} here, got {bins}.")
    low, high = np.log(wavenumbers[[0, -1]])
    place = (np.log(wavenumbers) - low) / max(high - low, 1e-12)
    for filled in _finer(place, bins):
        if len(filled) == bins:
            break
    return np.asarray(np.searchsorted(filled, place, side="right") - 1, dtype=np.int64)


def _finer(place: FloatArray, bins: int) -> Iterator[FloatArray]:
    """Yield the lower edges of filled bins for ever more equal bins on [0, 1]."""
    for count in range(bins, 40 * len(place)):
        cell = np.minimum((place * count).astype(int), count - 1)
        yield np.unique(cell) / count
    yield np.quantile(place, np.arange(bins) / bins)  # no count fills exactly `bins`


def linear_bins(wavenumbers: FloatArray, bins: int) -> NDArray[np.int64]:
    """Assign wavenumbers to ``bins`` bins of equally many of them.

    They are measured at equal distances, so the bins are equally wide.

    Raises:
        ConfigError: there are fewer wavenumbers than bins.

    Example:
        >>> linear_bins(np.arange(1.0, 9.0), 4)
        array([0, 0, 1, 1, 2, 2, 3, 3])
    """
    if not 1 <= bins <= len(wavenumbers):
        raise ConfigError(f"bins must lie between 1 and {len(wavenumbers)} here, got {bins}.")
    edges = np.linspace(0, len(wavenumbers), bins + 1).astype(int)[1:]
    return np.searchsorted(edges, np.arange(len(wavenumbers)), side="right").astype(np.int64)


SPACINGS = {"log": log_bins, "linear": linear_bins}


def rebin(
    log_power: FloatArray, wavenumbers: FloatArray, bins: int, spacing: str = "log"
) -> FloatArray:
    """Average ``log10 P`` ``[n, K]`` over bins of wavenumber, ``[n, bins]``.

    The mean of the logarithm, unlike the logarithm of the mean, gives every
    measured wavenumber in a bin the same say, whatever its power.

    Raises:
        MismatchError: the number of columns differs from the number of wavenumbers.
        ConfigError: there are fewer wavenumbers than bins.
    """
    if log_power.shape[1] != len(wavenumbers):
        raise MismatchError(
            f"The spectra have {log_power.shape[1]} columns, k_values.txt lists "
            f"{len(wavenumbers)} wavenumbers."
        )
    which = SPACINGS[spacing](wavenumbers, bins)
    average = np.zeros((len(wavenumbers), bins))
    average[np.arange(len(wavenumbers)), which] = 1 / np.bincount(which, minlength=bins)[which]
    return np.asarray(log_power @ average)


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


def own_wavenumbers(power: FloatArray, file: Path) -> FloatArray:
    """Read the wavenumbers of a file of spectra ``[n, K]``, and see that they can be its own.

    Raises:
        MismatchError: their number is not ``K``.
        DataError: they cannot be read.
    """
    k = read_wavenumbers(file)
    if power.shape[1] != len(k):
        raise MismatchError(
            f"{file} has {power.shape[1]} columns, k_values.txt beside it lists {len(k)} "
            f"wavenumbers, {k[0]:.4g} to {k[-1]:.4g} h/Mpc. Put the k_values.txt of these spectra "
            "there; where a folder has files of several kmax, data.kmax chooses."
        )
    return k


def require_power(power: FloatArray, file: Path) -> None:
    """Refuse positive numbers that are the logarithm of a power already.

    Galaxy power on these scales is tens to thousands of (Mpc/h)³ and falls by more than a
    decade; its logarithm, to base 10 or e, falls by a factor of few and is smaller than 15.

    Args:
        power: positive numbers ``[n, K]``.
        file: where they are from.

    Raises:
        DataError: they look like a logarithm.
    """
    if power.shape[1] < 3 or power.max() > LOG_BELOW:
        return
    falls = _fall(power)
    if (falls > LOG_FALLS[0]).mean() >= LOG_SHARE and np.median(falls) < LOG_FALLS[1]:
        raise DataError(
            f"{file}: values from {power.min():.3g} to {power.max():.3g} look like a logarithm of "
            "power already. Expected galaxy power P(k) in (Mpc/h)³, which is tens to thousands: "
            "save the power itself, 10**values of log10."
        )


def rising_notes(power: Sequence[FloatArray], files: Sequence[Path]) -> list[str]:
    """Note power that rises with wavenumber, which P(k) of galaxies does not on these scales."""
    return [
        f"{file.name}: power rises with wavenumber, as k³P(k) does; galaxy power P(k) in (Mpc/h)³ "
        "falls. Check what the file holds"
        for rows, file in zip(power, files, strict=True)
        if rows.shape[1] > 2 and (_fall(rows) < 1 / RISES).mean() > LOG_SHARE
    ]


def _fall(power: FloatArray) -> FloatArray:
    """Return the power at the lowest third of wavenumbers over that at the highest ``[n]``."""
    third = power.shape[1] // 3
    return np.asarray(power[:, :third].mean(1) / power[:, -third:].mean(1))


def features(
    power: Sequence[FloatArray], files: Sequence[Path], bins: int | None, spacing: str
) -> tuple[FloatArray, Inputs, list[str]]:
    """Return the features of several redshifts side by side, what they stand for, and notes.

    Raises:
        DataError: power looks like a logarithm.
        MismatchError: a file has another number of columns than wavenumbers.
    """
    columns, names = [], [f"redshift {number}" for number in range(1, len(files) + 1)]
    grid: dict[str, list[float]] = {}
    for name, rows, file in zip(names, power, files, strict=True):
        require_power(rows, file)
        k = (
            own_wavenumbers(rows, file)
            if bins is not None or file.with_name(WAVENUMBERS).is_file()
            else None
        )
        grid[name] = [] if k is None else k.tolist()
        log_power = np.log10(rows)
        columns.append(
            log_power if bins is None or k is None else rebin(log_power, k, bins, spacing)
        )
    inputs = Inputs(
        {"bins": bins, **({} if bins is None else {"spacing": spacing})},
        grid,
        {name: kmax_of(file) for name, file in zip(names, files, strict=True)},
        {name: str(file) for name, file in zip(names, files, strict=True)},
        {
            name: float(np.median(np.log10(rows)))
            for name, rows in zip(names, power, strict=True)
            if len(rows) >= FEWEST_FOR_LEVEL
        },
    )
    notes = [*_unequal(inputs), *rising_notes(power, files)]
    return np.concatenate(columns, 1), inputs, notes


def _unequal(inputs: Inputs) -> list[str]:
    """Note wavenumbers beyond the largest of a name, and redshifts at other ones than the first."""
    first = next(iter(inputs.grid.values()))
    notes = [
        f"{inputs.files[name]} reaches up to {inputs.kmax[name]:g} h/Mpc by its name, and the "
        f"k_values.txt beside it up to {k[-1]:.4g} h/Mpc: check that it is of these spectra"
        for name, k in inputs.grid.items()
        if k and 0 < inputs.kmax[name] * BEYOND < k[-1]
    ]
    return notes + [
        f"{name} is at {len(k)} wavenumbers to {k[-1]:.4g} h/Mpc, redshift 1 at {len(first)} to "
        f"{first[-1]:.4g} h/Mpc"
        for name, k in inputs.grid.items()
        if k and first and not same_wavenumbers(k, first)
    ]
