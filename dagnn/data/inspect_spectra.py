"""Files of galaxy power spectra in words: whose they are, at which redshift, and what lacks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from dagnn.catalogs.findings import Facts, Inspection
from dagnn.catalogs.inspect_folder import (
    SPECTRA,
    SPECTRA_FOLDERS,
    inspect_data_folder,
    spectra_files,
)
from dagnn.catalogs.inspect_use import DEFAULT_VOLUME, Command, There, how_to_train
from dagnn.catalogs.labels import range_problems
from dagnn.catalogs.layouts import find_table
from dagnn.catalogs.suites import known_suites
from dagnn.catalogs.tables import read_table
from dagnn.data.inputs import same_wavenumbers
from dagnn.data.power import SAME_REDSHIFT, kmax_of, read_power, read_wavenumbers
from dagnn.data.spectra import own_wavenumbers, require_power, rising_notes
from dagnn.data.spectra_names import Named, named_in
from dagnn.errors import DataError, MissingDataError, TableError
from dagnn.records import FloatArray

ALONE = " --config spectra --set 'loss.terms={none: {}}'"
"""Options for one suite without another: nothing is there to align with."""
EXPECTED = "Pk_galaxies_{suite}_{set}_{snapshot}_kmax=*.npy"
WAVENUMBERS = "k_values.txt"
UNLABELLED = [("labels", "none")]
Texts = tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What was found in one file.

    Attributes:
        file: the file.
        named: what its name says; None where training would not look for it.
        facts: label and value.
        rows: spectra in it; 0 where it cannot be read.
        problems: what is wrong.
        wavenumbers: of the columns, in h/Mpc; none where they cannot be read.
        warnings: what is odd.
    """

    file: Path
    named: Named | None
    facts: tuple[tuple[str, str], ...]
    rows: int
    problems: Texts
    wavenumbers: tuple[float, ...] = ()
    warnings: Texts = ()

    @property
    def title(self) -> str:
        """Suite and set; nothing where the name tells neither."""
        return self.named.title if self.named else ""


def inspect_spectra(path: Path) -> Inspection | None:
    """Describe a file of power spectra, their wavenumbers, or a data folder with such files.

    Args:
        path: file or folder.

    Returns:
        None where there are no spectra.
    """
    if path.is_dir():
        files = spectra_files(path)
        return _folder(path, files) if files else None
    if path.name == WAVENUMBERS:
        return _wavenumbers(path)
    return _file(path) if path.suffix == ".npy" and path.name.startswith("Pk_") else None


def _look(file: Path) -> Seen:
    """Read a file, with its wavenumbers, as training would."""
    named = named_in(file)
    facts: Facts = []
    if named is not None:
        when = f"{named.snapshot:03d} in the old numbering, z = {named.redshift:g}"
        facts.append(("snapshot", when))
    try:
        power = read_power(file)
    except DataError as error:
        return Seen(file, named, tuple(facts), 0, (str(error),))
    good = np.asarray((np.isfinite(power) & (power > 0)).all(1), dtype=bool)
    facts.append(("spectra", _counted(power, good, named)))
    problems = _unusable(file, good) if power.size else (_empty(file, power),)
    rising: Texts = ()
    if power[good].size:
        problems += _odd(require_power, power[good], file)
        rising = tuple(rising_notes([power[good]], [file]))
    try:
        k = read_wavenumbers(file)
    except DataError as error:
        return Seen(file, named, tuple(facts), len(power), (*problems, str(error)), (), rising)
    facts.append(("wavenumbers", f"{len(k)} in {WAVENUMBERS}, {k[0]:.3g} to {k[-1]:.3g} h/Mpc"))
    if len(k) != power.shape[1]:
        problems += (
            f"{file.name} has {power.shape[1]} columns and {WAVENUMBERS} lists {len(k)} "
            "wavenumbers; they must agree.",
        )
    else:
        problems += _odd(own_wavenumbers, power, file)
    return Seen(file, named, tuple(facts), len(power), problems, tuple(k.tolist()), rising)


def _odd(check: Callable[[FloatArray, Path], object], power: FloatArray, file: Path) -> Texts:
    """Return what a check of training would refuse."""
    try:
        check(power, file)
    except DataError as error:
        return (str(error),)
    return ()


def _counted(power: FloatArray, good: NDArray[np.bool_], named: Named | None) -> str:
    rows, columns = power.shape
    span, usable = "", power[good]
    if usable.size:
        span = f", from {usable.min():.3g} to {usable.max():.3g} (Mpc/h)³"
    which = f"; row i is {named.set}_i" if named else ""
    return f"{rows} of {columns} columns{span}{which}"


def _empty(file: Path, power: FloatArray) -> str:
    rows, columns = power.shape
    return (
        f"{file}: there are no spectra in it ({rows} rows of {columns} columns). "
        "Expected numbers [boxes, wavenumbers]; download or write it again."
    )


def _unusable(file: Path, good: NDArray[np.bool_]) -> tuple[str, ...]:
    if good.all():
        return ()
    bad = np.flatnonzero(~good).tolist()
    rows = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
    return (
        f"{file}: {len(bad)} of {len(good)} spectra are not positive and finite, and are "
        f"left out (rows from 0 on: {rows}).",
    )


def _nameless(file: Path) -> str:
    known = ", ".join(name for suite in known_suites().values() for name in suite.spellings)
    return (
        f"{file.name}: dagnn train does not find it under this name, which should be {EXPECTED}, "
        f"with a suite of {known} (or one that your own YAML file describes, see "
        "docs/add-your-own.md) and a snapshot as old files count. dagnn predict reads any name."
    )


def _labels(named: Named, seen: Sequence[Seen], data: Path) -> tuple[Facts, list[str], list[str]]:
    """Return what labels a suite's spectra, what is wrong with that, and what is odd."""
    try:
        table = read_table(find_table(named.suite, data, named.set))
    except TableError as error:
        return UNLABELLED, [str(error)], []
    except MissingDataError:
        text = (
            f"{named.title} has no parameter table (CosmoAstroSeed_*.txt) in {data}: it can be a "
            "target, which needs no labels, and no source."
        )
        return UNLABELLED, [], [text]
    belong = [name for name in table.names if name.startswith(f"{named.set}_")]
    numbers = [int(name.split("_")[-1]) for name in belong if name.split("_")[-1].isdigit()]
    short = [each.file.name for each in seen if 0 < each.rows <= max(numbers, default=0)]
    problems = [
        f"{name} has fewer rows than {table.path.name} has simulations, up to {named.set}_"
        f"{max(numbers)}; row i belongs to simulation i. Give data.limit, or the complete file."
        for name in short
    ]
    far, odd = range_problems(table, belong, table.columns, named.suite)
    return [("labels", f"{len(belong)} rows in {table.path.name}")], [*problems, *far], [*odd]


def _file(file: Path) -> Inspection:
    """Describe one file, and the labels that its folder has for it."""
    seen = _look(file)
    data = file.parent.parent if file.parent.name in SPECTRA_FOLDERS else file.parent
    named, found = seen.named, Inspection(SPECTRA, file.name, seen.facts, seen.problems)
    if named is None:
        found = replace(found, warnings=(_nameless(file), *seen.warnings))
    else:
        labels, wrong, odd = _labels(named, [seen], data)
        facts = (("suite and set", named.title), *seen.facts, *labels)
        found = replace(found, facts=facts, problems=(*found.problems, *wrong))
        found = replace(found, warnings=(*odd, *seen.warnings))
    around = ("To see what to train on", f"dagnn inspect {quote(str(data))}")
    return replace(found, commands=(around, *(() if found.problems else (_predict(file),))))


def _predict(file: Path) -> Command:
    return "To predict", f"dagnn predict RUN {quote(str(file))}"


def _folder(path: Path, files: Sequence[Path]) -> Inspection:
    """Describe a data folder: its spectra, suite by suite, and whatever else lies there."""
    base, seen = inspect_data_folder(path), [_look(file) for file in files]
    facts: Facts = [fact for fact in base.facts if fact[0] != SPECTRA]
    problems = [*base.problems, *(text for each in seen for text in each.problems)]
    warnings = [*base.warnings, *(_nameless(each.file) for each in seen if each.named is None)]
    warnings += [text for each in seen for text in each.warnings]
    wrong, odd = _grids(seen)
    problems, warnings = [*problems, *wrong], [*warnings, *odd]
    there: list[There] = []
    for title in dict.fromkeys(each.title for each in seen):
        own = [each for each in seen if each.title == title]
        facts.append((f"{title} spectra" if title else "other spectra", str(len(own))))
        facts += [fact for each in own for fact in _indented(each)]
        names = [each.named for each in own if each.named]
        if names:
            labels, wrong, odd = _labels(names[0], own, path)
            facts += [(f"  {label}", value) for label, value in labels]
            problems, warnings = [*problems, *wrong], [*warnings, *odd]
            labelled = labels != UNLABELLED
            there.append(_there(min(names, key=lambda each: each.redshift), labelled))
    commands = [] if problems else how_to_train(there, path, " --config spectra", ALONE)
    return replace(
        base,
        facts=tuple(facts),
        problems=tuple(dict.fromkeys(problems)),
        warnings=tuple(warnings),
        # The last in order is of the latest snapshot: what training reads by default.
        commands=(*base.commands, *commands, *(() if problems else (_predict(files[-1]),))),
    )


def _grids(seen: Sequence[Seen]) -> tuple[list[str], list[str]]:
    """Compare wavenumbers; return what one run cannot read together, and what it chooses among."""
    of_kmax: dict[float, list[Seen]] = {}
    for each in seen:
        if each.named and each.wavenumbers:
            of_kmax.setdefault(kmax_of(each.file), []).append(each)
    problems = [
        f"{other.file} is at {_described(other)}, {first.file.name} at {_described(first)}: one "
        "run reads spectra at the same wavenumbers only. Use the files and the k_values.txt of one "
        "measurement."
        for first, *others in of_kmax.values()
        for other in others
        if not same_wavenumbers(other.wavenumbers, first.wavenumbers)
    ]
    if len(of_kmax) < 2:
        return problems, []
    of_suite: dict[str, set[float]] = {}
    for kmax, files in of_kmax.items():
        for each in files:
            of_suite.setdefault(each.title, set()).add(kmax)
    listed = "; ".join(
        f"{title}: {', '.join(f'{kmax:g}' for kmax in sorted(there))}"
        for title, there in of_suite.items()
    )
    text = (
        f"there are files of several largest wavenumbers ({listed} h/Mpc): one run reads those of "
        "one, the largest that all its suites have; data.kmax chooses"
    )
    if set.intersection(*of_suite.values()):
        return problems, [text]
    return [*problems, f"{text}. No one is there for all suites"], []


def _described(seen: Seen) -> str:
    k = seen.wavenumbers
    return f"{len(k)} wavenumbers from {k[0]:.4g} to {k[-1]:.4g} h/Mpc"


def _indented(seen: Seen) -> Facts:
    return [("  file", seen.file.name), *((f"    {label}", value) for label, value in seen.facts)]


def _there(named: Named, labelled: bool) -> There:
    redshift = 0.0 if named.redshift < SAME_REDSHIFT else named.redshift
    return There(named.suite.short_name, named.set, DEFAULT_VOLUME, redshift, labelled)


def _wavenumbers(path: Path) -> Inspection:
    """Describe a list of wavenumbers, which belongs to the spectra beside it."""
    files = sorted(path.parent.glob("Pk_*.npy"))
    beside = ("belongs to", f"{len(files)} files of spectra beside it, column by column")
    try:
        k = read_wavenumbers(path.with_name("Pk.npy"))
    except DataError as error:
        return Inspection("wavenumbers", path.name, (beside,), (str(error),))
    facts = (("wavenumbers", f"{len(k)}, from {k[0]:.4g} to {k[-1]:.4g} h/Mpc"), beside)
    around = ("To see what to train on", f"dagnn inspect {quote(str(path.parent))}")
    return Inspection("wavenumbers", path.name, facts, (), commands=(around,))
