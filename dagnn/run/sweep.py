"""Several runs of one kind: seeds of an experiment, or every ordered pair of suites.

The folder is the memory: a run that is finished there is kept, one that was
interrupted is resumed, the others are trained. So the same command line, given
again, goes on where it stopped, and asks for more seeds by a larger number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from dagnn.catalogs.suites import find_suite, known_suites
from dagnn.config import Experiment
from dagnn.console import log
from dagnn.errors import DagnnError, Interrupted, UsageError
from dagnn.report.comparison.notes import shared_split
from dagnn.report.comparison.runs import Settings, differing, flatten
from dagnn.run.assemble import check
from dagnn.run.compare import compare, require_place, run_names
from dagnn.run.data import require_present
from dagnn.run.folder import RunFolder
from dagnn.run.train import is_complete, resume, train

FEWEST_TO_LEAVE_OUT = 3


@dataclass(frozen=True)
class Plan:
    """One run of a sweep.

    Attributes:
        folder: where it lies.
        experiment: what it is.
    """

    folder: Path
    experiment: Experiment


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
    _say_what_is_shared(experiment, seeds, console)
    return run_plans(_seeds(experiment, seeds, out), out, mock=mock, console=console)


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
    _say_what_is_shared(experiment, seeds, console)
    plans = []
    for sources, target in pairings(suites, leave_one_out):
        roles = {"source": list(sources), "target": [target]}
        paired = experiment.model_copy(update=roles)
        labelled, aligned = ([find_suite(s).short_name for s in names] for names in roles.values())
        plans += _seeds(paired, seeds, out / f"{'+'.join(labelled)}-to-{aligned[0]}")
    return run_plans(plans, out, mock=mock, console=console)


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


def _say_what_is_shared(experiment: Experiment, seeds: int, console: Console) -> None:
    """Say before hours are spent that seeds of one start have one split."""
    if seeds > 1 and experiment.init_from is not None:
        text = escape(shared_split(experiment.init_from))
        console.print(f"[yellow]Note:[/] {text}", highlight=False, soft_wrap=True)


def _seeds(experiment: Experiment, seeds: int, out: Path) -> list[Plan]:
    if seeds < 1:
        raise UsageError(f"--seeds counts runs from 1 on, got {seeds}.")
    numbers = range(experiment.seed, experiment.seed + seeds)
    return [
        Plan(out / f"seed-{seed}", experiment.model_copy(update={"seed": seed}))
        for seed in numbers
    ]  # fmt: skip


def run_plans(
    plans: Sequence[Plan], out: Path, *, mock: bool = False, console: Console | None = None
) -> Path:
    """Train what is not there yet, then compare all runs.

    Args:
        plans: what there shall be.
        out: the folder that the comparison is written into.
        mock: use mock universes even where there are data.
        console: where progress goes; standard error if None.

    Raises:
        UsageError: a folder holds a run of other settings.
        Interrupted: Ctrl-C was pressed.
    """
    console = console or log()
    for plan in plans:  # before hours are spent on the first
        check(plan.experiment)
        _require_same(plan)
    require_place(out / "comparison")
    if not mock:
        _require_data(plans)
    names = run_names([plan.folder for plan in plans])
    for number, (plan, name) in enumerate(zip(plans, names, strict=True), start=1):
        console.rule(f"{number} of {len(plans)} · {escape(name)}")
        try:
            _run(plan, mock, console)
        except (Interrupted, KeyboardInterrupt) as interruption:
            raise Interrupted(_how_to_go_on(plans, out)) from interruption
        except DagnnError as error:
            console.print(
                f"{name} failed; {_count(plans)} are finished. The same command goes on with it.",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            raise error
    try:
        return compare([plan.folder for plan in plans], out=out / "comparison", console=console)
    except KeyboardInterrupt as interruption:
        raise Interrupted(_how_to_go_on(plans, out)) from interruption


def _require_data(plans: Sequence[Plan]) -> None:
    """See once for every pairing that is still to be trained that its suites are there."""
    seen: set[tuple[str, ...]] = set()
    for plan in plans:
        pairing = (*plan.experiment.source, "", *plan.experiment.target)
        if pairing not in seen and not is_complete(RunFolder(plan.folder)):
            seen.add(pairing)
            require_present(plan.experiment)


def _run(plan: Plan, mock: bool, console: Console) -> None:
    """Skip, resume or train one run."""
    folder = RunFolder(plan.folder)
    if is_complete(folder):
        console.print(
            f"{plan.folder} is finished and kept.", markup=False, highlight=False, soft_wrap=True
        )
    elif folder.environment.is_file():
        console.print(
            f"{plan.folder} was interrupted: going on.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        resume(plan.folder, console=console)
    else:
        # Stopped between its first two files: nothing but the configuration is there.
        folder.config.unlink(missing_ok=True)
        train(plan.experiment, out=plan.folder, mock=mock, console=console)


def _require_same(plan: Plan) -> None:
    """Refuse a folder whose run has other settings than are asked for now.

    Raises:
        UsageError: it has; the message names them.
    """
    folder = RunFolder(plan.folder)
    if not folder.config.is_file():
        return
    stored = folder.read_experiment()
    found = differing([_settings(stored, plan.experiment), _settings(plan.experiment)])
    if found:
        told = "; ".join(f"{key} {was}, now {now}" for key, (was, now) in found.items())
        raise UsageError(
            f"{plan.folder} was begun with other settings ({told}). Give another --out, or the "
            "settings that it was begun with."
        )


def _settings(experiment: Experiment, asked: Experiment | None = None) -> Settings:
    """Flatten what a run depends on; a data folder only where one was asked for."""
    found = dict(flatten(experiment.model_dump(mode="json")))
    path = (asked or experiment).data.path
    found["data.path"] = "default" if path is None else str(Path(found["data.path"]).absolute())
    for free in ("data.workers", "training.device"):
        found.pop(free)
    return found


def _count(plans: Sequence[Plan]) -> str:
    done = sum(is_complete(RunFolder(plan.folder)) for plan in plans)
    return f"{done} of {len(plans)} runs"


def _how_to_go_on(plans: Sequence[Plan], out: Path) -> str:
    return (
        f"Interrupted. {_count(plans)} in {out} are finished. The same command line goes on: it "
        "keeps what is finished and resumes what was begun."
    )
