"""Several runs of one kind: seeds of an experiment, or every ordered pair of suites.

The folder is the memory: a run that is finished there is kept, one that was
interrupted is resumed, the others are trained. So the same command line, given
again, goes on where it stopped, and asks for more seeds by a larger number.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from dagnn.catalogs.suites import find_suite, known_suites
from dagnn.config import Experiment
from dagnn.console import log, print_line, print_notes
from dagnn.errors import DagnnError, Interrupted, UsageError
from dagnn.report.comparison.notes import shared_split
from dagnn.report.comparison.runs import Settings, differing, flatten
from dagnn.run.assemble import check
from dagnn.run.compare import compare, require_place, run_names
from dagnn.run.data import require_present
from dagnn.run.folder import RunFolder
from dagnn.run.train import is_complete, resume, train

FEWEST_TO_LEAVE_OUT = 3


Plans = Mapping[Path, Experiment]
"""Folder of each run → what it is."""


def train_seeds(
    experiment: Experiment,
    seeds: int,
    *,
    out: Path | None = None,
    mock: bool = False,
    console: Console | None = None,
) -> Path:
    """Train one experiment with several seeds and compare them.

    Args:
        experiment: what to run; its seed is the first one.
        seeds: how many.
        out: folder of the runs ``seed-0`` ...; ``runs/NAME-seeds`` if None.
        mock: use mock universes even where there are data.
        console: where progress goes; standard error if None.

    Returns:
        The path of the comparison page.

    Raises:
        Interrupted: Ctrl-C; the same call goes on.
        DagnnError: the experiment, the data or a run cannot be used.
    """
    out = out or Path("runs") / f"{experiment.name}-seeds"
    console = console or log()
    _note_shared_split(experiment, seeds, console)
    return _run_all(_seeds(experiment, seeds, out), out, mock=mock, console=console)


def train_matrix(
    experiment: Experiment,
    suites: Sequence[str],
    *,
    seeds: int = 1,
    leave_one_out: bool = False,
    out: Path | None = None,
    mock: bool = False,
    console: Console | None = None,
) -> Path:
    """Train every ordered pair of suites and compare them in a suite × suite matrix.

    Args:
        experiment: what to run; its suites are replaced.
        suites: at least two, in any spelling.
        seeds: how many of each, from the experiment's seed on.
        leave_one_out: also train on all suites but one, with that one as target.
        out: folder of the runs ``A-to-B/seed-0`` ...; ``runs/NAME-matrix`` if None.
        mock: use mock universes even where there are data.
        console: where progress goes; standard error if None.

    Returns:
        The path of the comparison page.

    Raises:
        UsageError: too few suites.
        Interrupted: Ctrl-C; the same call goes on.
        DagnnError: the experiment, the data or a run cannot be used.
    """
    out = out or Path("runs") / f"{experiment.name}-matrix"
    console = console or log()
    _note_shared_split(experiment, seeds, console)
    plans: dict[Path, Experiment] = {}
    for sources, target in pairings(suites, leave_one_out):
        roles = {"source": list(sources), "target": [target]}
        paired = experiment.model_copy(update=roles)
        labelled, aligned = ([find_suite(s).short_name for s in names] for names in roles.values())
        plans |= _seeds(paired, seeds, out / f"{'+'.join(labelled)}-to-{aligned[0]}")
    return _run_all(plans, out, mock=mock, console=console)


def pairings(suites: Sequence[str], leave_one_out: bool) -> list[tuple[tuple[str, ...], str]]:
    """Return sources and target of every run of a matrix, by short names or own files.

    Raises:
        UsageError: a suite is unknown, or there are too few different ones.

    Example:
        >>> pairings(["tng", "SIMBA"], leave_one_out=False)
        [(('tng',), 'simba'), (('simba',), 'tng')]
    """
    names = list({find_suite(suite).short_name: _called(suite) for suite in suites}.values())
    if len(names) < 2:
        raise UsageError(
            f"A matrix needs at least two different suites, got {', '.join(names) or 'none'}."
        )
    if leave_one_out and len(names) < FEWEST_TO_LEAVE_OUT:
        raise UsageError(
            f"--leave-one-out needs at least {FEWEST_TO_LEAVE_OUT} suites: of {', '.join(names)} "
            "one stays, and that is an ordinary pair."
        )
    found: list[tuple[tuple[str, ...], str]]
    found = [((source,), target) for source, target in permutations(names, 2)]
    if leave_one_out:
        found += [(tuple(name for name in names if name != left), left) for left in names]
    return found


def _called(suite: str) -> str:
    """Return the short name of a suite that has one everywhere, or the file that describes it."""
    short = find_suite(suite).short_name
    return short if short in known_suites() else suite


def _note_shared_split(experiment: Experiment, seeds: int, console: Console) -> None:
    """Note before hours are spent that seeds of one start have one split."""
    if seeds > 1 and experiment.init_from is not None:
        print_notes(console, [shared_split(experiment.init_from)])


def _seeds(experiment: Experiment, seeds: int, out: Path) -> dict[Path, Experiment]:
    if seeds < 1:
        raise UsageError(f"--seeds counts runs from 1 on, got {seeds}.")
    numbers = range(experiment.seed, experiment.seed + seeds)
    return {out / f"seed-{n}": experiment.model_copy(update={"seed": n}) for n in numbers}


def _run_all(plans: Plans, out: Path, *, mock: bool, console: Console) -> Path:
    """Train what is not there yet, then compare all runs.

    Raises:
        UsageError: a folder holds a run of other settings.
        Interrupted: Ctrl-C was pressed.
    """
    for folder, experiment in plans.items():  # before hours are spent on the first
        check(experiment)
        _require_same(folder, experiment)
    require_place(out / "comparison")
    if not mock:
        seen: set[tuple[str, ...]] = set()
        for folder, experiment in plans.items():
            pairing = (*experiment.source, "", *experiment.target)
            if pairing not in seen and not is_complete(RunFolder(folder)):
                seen.add(pairing)
                require_present(experiment)
    try:
        runs = zip(run_names([*plans]), plans.items(), strict=True)
        for number, (name, (folder, experiment)) in enumerate(runs, start=1):
            console.rule(f"{number} of {len(plans)} · {escape(name)}")
            try:
                _run(folder, experiment, mock, console)
            except Interrupted:
                raise
            except DagnnError:
                done = f"{name} failed; {_count(plans)} are finished."
                print_line(console, f"{done} The same command goes on with it.")
                raise
        return compare([*plans], out=out / "comparison", console=console)
    except (Interrupted, KeyboardInterrupt) as interruption:
        raise Interrupted(
            f"Interrupted. {_count(plans)} in {out} are finished. The same command line goes on: "
            "it keeps what is finished and resumes what was begun."
        ) from interruption


def _run(path: Path, experiment: Experiment, mock: bool, console: Console) -> None:
    """Skip, resume or train one run."""
    folder = RunFolder(path)
    if is_complete(folder):
        print_line(console, f"{path} is finished and kept.")
    elif folder.environment.is_file():
        print_line(console, f"{path} was interrupted: going on.")
        resume(path, console=console)
    else:
        # Stopped between its first two files: nothing but the configuration is there.
        folder.config.unlink(missing_ok=True)
        train(experiment, out=path, mock=mock, console=console)


def _require_same(path: Path, experiment: Experiment) -> None:
    """Refuse a folder whose run has other settings.

    Raises:
        UsageError: it has; the message names them.
    """
    folder = RunFolder(path)
    if not folder.config.is_file():
        return
    stored = _settings(folder.read_experiment(), experiment)
    found = differing([stored, _settings(experiment, experiment)])
    if found:
        changes = "; ".join(f"{key} {was}, now {now}" for key, (was, now) in found.items())
        raise UsageError(
            f"{path} was begun with other settings ({changes}). Give another --out, or the "
            "settings that it was begun with."
        )


def _settings(experiment: Experiment, wanted: Experiment) -> Settings:
    """Flatten what a run depends on; a data folder only where the wanted run names one."""
    found = dict(flatten(experiment.model_dump(mode="json")))
    named = wanted.data.path is not None
    found["data.path"] = str(Path(found["data.path"]).absolute()) if named else "default"
    for free in ("data.workers", "training.device"):
        found.pop(free)
    return found


def _count(plans: Plans) -> str:
    done = sum(is_complete(RunFolder(folder)) for folder in plans)
    return f"{done} of {len(plans)} runs"
