"""What files of galaxy power spectra hold: suite, redshift, values, wavenumbers and labels."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.layouts import find_table
from dagnn.catalogs.suites import known_suites
from dagnn.catalogs.tables import range_problems, read_table
from dagnn.data.power import (
    FOLDERS,
    SAME_REDSHIFT,
    WAVENUMBERS,
    Named,
    kmax_of,
    named_in,
    own_wavenumbers,
    read_power,
    read_wavenumbers,
    require_power,
    rising_notes,
)
from dagnn.data.requests import same_wavenumbers
from dagnn.errors import MissingDataError, TableError
from dagnn.inspect.files import Fact, Inspection
from dagnn.inspect.folders import DEFAULT_VOLUME, Sample, how_to_train, without_table
from dagnn.records import FloatArray

ALONE = " --config spectra --set 'loss.terms={none: {}}'"
"""Options for one suite without another: nothing is there to align with."""
EXPECTED = "Pk_galaxies_{suite}_{set}_{snapshot}_kmax=*.npy"


@dataclass
class Spectra:
    """One file of spectra.

    Attributes:
        file: the file.
        named: what its name means; None where training would not look for it.
        found: what is in it.
        rows: spectra in it; 0 where it cannot be read.
        wavenumbers: of the columns, in h/Mpc; none where they cannot be read.
    """

    file: Path
    named: Named | None
    found: Inspection
    rows: int = 0
    wavenumbers: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """Suite and set; nothing where the name gives neither."""
        return self.named.title if self.named else ""


def spectra_files(root: Path) -> list[Path]:
    """Return the files of power spectra in a data folder."""
    return [file for place in FOLDERS for file in sorted((root / place).glob("Pk_*.npy"))]


def inspect_spectra(file: Path) -> Inspection:
    """Describe a file of power spectra, and the labels that its folder has for it."""
    seen = _read(file)
    found, data = seen.found, file.parent.parent if file.parent.name in FOLDERS else file.parent
    if seen.named is None:
        found.warnings.insert(0, _nameless(file))
    else:
        found.facts.insert(0, ("suite and set", seen.named.title))
        _add_labels(found, [seen], data, indent="")
    found.commands.append(("To see what to train on", f"dagnn inspect {quote(str(data))}"))
    if found.healthy:
        found.commands.append(_predict(file))
    return found


def inspect_wavenumbers(path: Path) -> Inspection:
    """Describe a list of wavenumbers, which belongs to the spectra beside it."""
    found, files = Inspection("wavenumbers", path.name), sorted(path.parent.glob("Pk_*.npy"))
    with found.collecting():
        k = read_wavenumbers(path.with_name("Pk.npy"))
        found.facts.append(("wavenumbers", f"{len(k)}, from {k[0]:.4g} to {k[-1]:.4g} h/Mpc"))
        around = f"dagnn inspect {quote(str(path.parent))}"
        found.commands.append(("To see what to train on", around))
    beside = f"{len(files)} files of spectra beside it, column by column"
    found.facts.append(("belongs to", beside))
    return found


def add_spectra(found: Inspection, path: Path) -> None:
    """Add the spectra of a data folder, suite by suite, to what else lies there."""
    files = spectra_files(path)
    if not files:
        return
    seen = [_read(file) for file in files]
    found.add_problems(*(text for each in seen for text in each.found.problems))
    found.warnings += [_nameless(each.file) for each in seen if each.named is None]
    found.warnings += [text for each in seen for text in each.found.warnings]
    _compare_wavenumbers(found, seen)
    there: dict[Sample, dict[str, bool]] = defaultdict(dict)
    for title in dict.fromkeys(each.title for each in seen):
        own = [each for each in seen if each.title == title]
        found.facts.append((f"{title} spectra" if title else "other spectra", str(len(own))))
        for each in own:
            found.facts.append(("  file", each.file.name))
            found.facts += [(f"    {label}", value) for label, value in each.found.facts]
        names = [each.named for each in own if each.named]
        if names:
            labelled = _add_labels(found, own, path, indent="  ")
            latest = min(names, key=lambda named: named.redshift)
            redshift = 0.0 if latest.redshift < SAME_REDSHIFT else latest.redshift
            there[latest.set, DEFAULT_VOLUME, redshift][latest.suite.short_name] = labelled
    if found.healthy:
        # The last in order is of the latest snapshot: what training reads by default.
        found.commands += how_to_train(there, path, " --config spectra", ALONE)
        found.commands.append(_predict(files[-1]))


def _read(file: Path) -> Spectra:
    """Read a file, with its wavenumbers, as training would."""
    seen = Spectra(file, named_in(file), Inspection("power spectra", file.name))
    named, found = seen.named, seen.found
    if named is not None:
        when = f"{named.snapshot:03d} in the old numbering, z = {named.redshift:g}"
        found.facts.append(("snapshot", when))
    with found.collecting():
        power = read_power(file)
        seen.rows = len(power)
        good = np.asarray((np.isfinite(power) & (power > 0)).all(1), dtype=bool)
        found.facts.append(("spectra", _counted(power, good, named)))
        found.add_problems(*_unusable(file, power, good))
        if power[good].size:
            with found.collecting():
                require_power(power[good], file)
            found.warnings += rising_notes([power[good]], [file])
        k = read_wavenumbers(file)
        seen.wavenumbers = tuple(k.tolist())
        span = f"{k[0]:.3g} to {k[-1]:.3g} h/Mpc"
        found.facts.append(("wavenumbers", f"{len(k)} in {WAVENUMBERS}, {span}"))
        own_wavenumbers(power, file)
    return seen


def _counted(power: FloatArray, good: NDArray[np.bool_], named: Named | None) -> str:
    rows, columns = power.shape
    span, usable = "", power[good]
    if usable.size:
        span = f", from {usable.min():.3g} to {usable.max():.3g} (Mpc/h)³"
    which = f"; row i is {named.set}_i" if named else ""
    return f"{rows} of {columns} columns{span}{which}"


def _unusable(file: Path, power: FloatArray, good: NDArray[np.bool_]) -> list[str]:
    rows, columns = power.shape
    if not power.size:
        return [
            f"{file}: there are no spectra in it ({rows} rows of {columns} columns). "
            "Expected numbers [boxes, wavenumbers]; download or write it again."
        ]
    bad = np.flatnonzero(~good).tolist()
    listed = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
    text = (
        f"{file}: {len(bad)} of {len(good)} spectra are not positive and finite, and are "
        f"left out (rows from 0 on: {listed})."
    )
    return [text] if bad else []


def _nameless(file: Path) -> str:
    known = ", ".join(name for suite in known_suites().values() for name in suite.spellings)
    return (
        f"{file.name}: dagnn train does not find it under this name, which should be {EXPECTED}, "
        f"with a suite of {known} (or one that your own YAML file describes, see "
        "docs/add-your-own.md) and a snapshot as old files count. dagnn predict reads any name."
    )


def _add_labels(found: Inspection, seen: Sequence[Spectra], data: Path, indent: str) -> bool:
    """Add the labels of files of one suite and set; return whether there are some."""
    named = next(each.named for each in seen if each.named)
    try:
        table = read_table(find_table(named.suite, data, named.set))
    except (TableError, MissingDataError) as error:
        found.facts.append((f"{indent}labels", "none"))
        if isinstance(error, TableError):
            found.add_problems(str(error))
        else:
            found.warnings.append(without_table(named.title, f" in {data}"))
        return False
    belong = [name for name in table.names if name.startswith(f"{named.set}_")]
    found.facts.append((f"{indent}labels", f"{len(belong)} rows in {table.path.name}"))
    numbers = [int(name.split("_")[-1]) for name in belong if name.split("_")[-1].isdigit()]
    last = max(numbers, default=0)
    found.add_problems(
        *(
            f"{each.file.name} has fewer rows than {table.path.name} has simulations, up to "
            f"{named.set}_{last}; row i belongs to simulation i. Give data.limit, or the complete "
            "file."
            for each in seen
            if 0 < each.rows <= last
        )
    )
    far, odd = range_problems(table, belong, table.columns, named.suite)
    found.add_problems(*far)
    found.warnings += odd
    return True


def _predict(file: Path) -> Fact:
    return "To predict", f"dagnn predict RUN {quote(str(file))}"


def _compare_wavenumbers(found: Inspection, seen: Sequence[Spectra]) -> None:
    """Add what one run cannot read together, and what it chooses among."""
    of_kmax: dict[float, list[Spectra]] = defaultdict(list)
    of_suite: dict[str, set[float]] = defaultdict(set)
    for each in seen:
        if each.named and each.wavenumbers:
            of_kmax[kmax_of(each.file)].append(each)
    for kmax, files in of_kmax.items():
        first = files[0]
        for each in files:
            of_suite[each.title].add(kmax)
            if not same_wavenumbers(each.wavenumbers, first.wavenumbers):
                found.add_problems(
                    f"{each.file} is at {_described(each)}, {first.file.name} at "
                    f"{_described(first)}: one run reads spectra at the same wavenumbers only. "
                    "Use the files and the k_values.txt of one measurement."
                )
    if len(of_kmax) < 2:
        return
    listed = "; ".join(
        f"{title}: {', '.join(f'{kmax:g}' for kmax in sorted(there))}"
        for title, there in of_suite.items()
    )
    text = (
        f"there are files of several largest wavenumbers ({listed} h/Mpc): one run reads those of "
        "one, the largest that all its suites have; data.kmax chooses"
    )
    if set.intersection(*of_suite.values()):
        found.warnings.append(text)
    else:
        found.add_problems(f"{text}. No one is there for all suites")


def _described(seen: Spectra) -> str:
    k = seen.wavenumbers
    return f"{len(k)} wavenumbers from {k[0]:.4g} to {k[-1]:.4g} h/Mpc"
