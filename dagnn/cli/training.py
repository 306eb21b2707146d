"""Verbs that train: one experiment, its seeds, or every ordered pair of suites."""

from pathlib import Path
from typing import Annotated

import typer

from dagnn.cli.common import DataFolder, guarded, split_names
from dagnn.cli.processes import shared
from dagnn.errors import UsageError

Config = Annotated[
    str | None, typer.Option(help="YAML file, or a shipped name such as spectra_mmd.")
]
Override = Annotated[
    list[str] | None, typer.Option("--set", help="Override one setting: training.epochs=10.")
]
Mock = Annotated[bool, typer.Option("--mock", help="Use mock universes, made on demand.")]
Seed = Annotated[int | None, typer.Option(help="Seed of split, weights and batches.")]
Members = Annotated[
    int | None, typer.Option(min=1, help="Networks of a deep ensemble, trained together.")
]
SEEDS = "Runs with as many seeds, compared at the end; from --seed on."
Seeds = Annotated[int, typer.Option(min=1, help=SEEDS)]
SeedsOfOneStart = Annotated[
    int,
    typer.Option(
        min=1,
        help=f"{SEEDS} With --init-from they share weights and split of that run, so their sd "
        "includes neither.",
    ),
]
InitFrom = Annotated[
    Path | None,
    typer.Option(help="Start from the weights of a finished run, and keep its split."),
]
CompareSourceOnly = Annotated[
    bool,
    typer.Option("--compare-source-only", help="Also train without adaptation and show both."),
]
CompareOracle = Annotated[
    bool,
    typer.Option(
        "--compare-oracle", help="Also train on target labels and show it, stamped ORACLE."
    ),
]
TargetPrior = Annotated[
    list[str] | None,
    typer.Option(help="Stress test: keep targets within a range, Omega_m=0.3:0.5; repeatable."),
]


@guarded
@shared
def train(
    source: Annotated[
        list[str] | None, typer.Option(help="Labelled suite; repeat or separate by commas.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Unlabelled suite to align with; repeatable.")
    ] = None,
    config: Config = None,
    override: Override = None,
    data: DataFolder = None,
    mock: Mock = False,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/NAME by default (NAME-seeds of several).")
    ] = None,
    seed: Seed = None,
    seeds: SeedsOfOneStart = 1,
    members: Members = None,
    compare_source_only: CompareSourceOnly = False,
    compare_oracle: CompareOracle = False,
    target_prior: TargetPrior = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Continue an interrupted run, exactly; a finished one is kept."),
    ] = None,
    init_from: InitFrom = None,
) -> None:
    """Train on a labelled source and an unlabelled target; evaluate; write a report.

    Without --data, and with no data in the default place, mock universes are
    made and everything that comes of them says MOCK. With --seeds, OUT holds one
    run per seed and their comparison; the same command line goes on after Ctrl-C.
    """
    from dagnn import run

    if resume is not None:
        given = (
            source, target, config, override, data, out, seed, members, init_from, target_prior
        )  # fmt: skip
        asked = mock or compare_source_only or compare_oracle or seeds > 1
        if any(value is not None for value in given) or asked:
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
    suites: Annotated[
        list[str], typer.Option(help="Suites to pair; repeat or separate by commas.")
    ],
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Also train on all suites but each one.")
    ] = False,
    config: Config = None,
    override: Override = None,
    data: DataFolder = None,
    mock: Mock = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs; runs/NAME-matrix by default.")
    ] = None,
    seed: Seed = None,
    seeds: Seeds = 1,
    members: Members = None,
    compare_source_only: CompareSourceOnly = False,
    compare_oracle: CompareOracle = False,
    target_prior: TargetPrior = None,
) -> None:
    """Train every ordered pair of suites; end with a suite × suite matrix.

    The same command line goes on after Ctrl-C, and adds seeds where --seeds
    grows.
    """
    from dagnn import run

    require_one_place(data, mock)
    names = split_names(suites) or []
    experiment = run.load(
        config,
        override or [],
        source=names[:1],
        target=names[1:2],
        seed=seed,
        data=data,
        members=members,
        compare_source_only=compare_source_only,
        compare_oracle=compare_oracle,
        target_prior=ranges(target_prior),
    )
    run.train_matrix(
        experiment, names, seeds=seeds, leave_one_out=leave_one_out, out=out, mock=mock
    )


def require_one_place(data: Path | None, mock: bool) -> None:
    """Refuse --data together with --mock."""
    if data is not None and mock:
        raise UsageError("--data and --mock exclude each other.")


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
