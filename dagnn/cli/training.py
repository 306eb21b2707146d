"""Verbs that train: one experiment, its seeds, or every ordered pair of suites."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from dagnn.cli.common import (
    Config,
    DataFolder,
    Mock,
    Names,
    Override,
    guarded,
    require_one_place,
    shared,
    split_names,
)
from dagnn.errors import UsageError

Seed = Annotated[int | None, Option(help="Seed of split, weights and batches.")]
Members = Annotated[
    int | None, Option(min=1, help="Networks of a deep ensemble, trained together.")
]
SEEDS = "Runs with as many seeds, compared at the end; from --seed on."
Seeds = Annotated[int, Option(min=1, help=SEEDS)]
SeedsOfOneStart = Annotated[
    int,
    Option(
        min=1,
        help=f"{SEEDS} With --init-from they share weights and split of that run, so their sd "
        "includes neither.",
    ),
]
InitFrom = Annotated[
    Path | None, Option(help="Start from the weights of a finished run, and keep its split.")
]
CompareSourceOnly = Annotated[
    bool, Option("--compare-source-only", help="Also train without adaptation and show both.")
]
CompareOracle = Annotated[
    bool,
    Option("--compare-oracle", help="Also train on target labels and show it, stamped ORACLE."),
]
TargetPrior = Annotated[
    list[str] | None,
    Option(help="Stress test: keep targets within a range, Omega_m=0.3:0.5; repeatable."),
]


@guarded
@shared
def train(
    context: typer.Context,
    source: Annotated[Names, Option(help="Labelled suite; repeat or separate by commas.")] = None,
    target: Annotated[Names, Option(help="Unlabelled suite to align with; repeatable.")] = None,
    config: Config = None,
    override: Override = None,
    data: DataFolder = None,
    mock: Mock = False,
    out: Annotated[
        Path | None, Option(help="Run folder; runs/NAME by default (NAME-seeds of several).")
    ] = None,
    seed: Seed = None,
    seeds: SeedsOfOneStart = 1,
    members: Members = None,
    compare_source_only: CompareSourceOnly = False,
    compare_oracle: CompareOracle = False,
    target_prior: TargetPrior = None,
    resume: Annotated[
        Path | None, Option(help="Continue an interrupted run, exactly; a finished one is kept.")
    ] = None,
    init_from: InitFrom = None,
) -> None:
    """Train on a labelled source and an unlabelled target; evaluate; write a report.

    Without --data, and with no data in the default place, mock universes are
    made and all results are marked MOCK. With --seeds, OUT holds one run per seed
    and their comparison; the same command line continues after Ctrl-C.
    """
    from dagnn import run

    if resume is not None:
        defaults = {each.name: each.default for each in context.command.params}
        given = {n for n, value in context.params.items() if value not in (defaults.get(n), ())}
        if given - {"resume"}:
            raise UsageError(
                "--resume continues a run as it was started; give no other flag with it."
            )
        run.resume(resume)
        return
    require_one_place(data, mock)
    experiment = run.load(
        config,
        override or [],
        source=split_names(source),
        target=split_names(target),
        seed=seed,
        data=data,
        init_from=init_from,
        members=members,
        compare_source_only=compare_source_only,
        compare_oracle=compare_oracle,
        target_prior=ranges(target_prior),
    )
    if seeds > 1:
        run.train_seeds(experiment, seeds, out=out, mock=mock)
    else:
        run.train(experiment, out=out, mock=mock)


@guarded
@shared
def matrix(
    suites: Annotated[list[str], Option(help="Suites to pair; repeat or separate by commas.")],
    leave_one_out: Annotated[
        bool, Option("--leave-one-out", help="Also train on all suites but each one.")
    ] = False,
    config: Config = None,
    override: Override = None,
    data: DataFolder = None,
    mock: Mock = False,
    out: Annotated[
        Path | None, Option(help="Folder of the runs; runs/NAME-matrix by default.")
    ] = None,
    seed: Seed = None,
    seeds: Seeds = 1,
    members: Members = None,
    compare_source_only: CompareSourceOnly = False,
    compare_oracle: CompareOracle = False,
    target_prior: TargetPrior = None,
) -> None:
    """Train every ordered pair of suites; end with a suite × suite matrix.

    The same command line continues after Ctrl-C, and adds seeds where --seeds
    is larger.
    """
    from dagnn import run

    require_one_place(data, mock)
    named = split_names(suites) or []
    experiment = run.load(
        config,
        override or [],
        source=named[:1],
        target=named[1:2],
        seed=seed,
        data=data,
        members=members,
        compare_source_only=compare_source_only,
        compare_oracle=compare_oracle,
        target_prior=ranges(target_prior),
    )
    run.train_matrix(
        experiment, named, seeds=seeds, leave_one_out=leave_one_out, out=out, mock=mock
    )


def ranges(given: list[str] | None) -> dict[str, tuple[float, float]]:
    """Read ``NAME=LOW:HIGH`` of every option.

    Raises:
        UsageError: one of them is written otherwise.

    Example:
        >>> ranges(["Omega_m=0.3:0.5"])
        {'Omega_m': (0.3, 0.5)}
    """
    found = {}
    for text in given or []:
        name, _, ends = text.partition("=")
        low, _, high = ends.partition(":")
        try:
            found[name] = (float(low), float(high))
        except ValueError:
            raise UsageError(
                f"--target-prior takes NAME=LOW:HIGH, such as Omega_m=0.3:0.5; got {text!r}."
            ) from None
    return found
