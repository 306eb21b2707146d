"""The ``dagnn`` command: parses, calls one verb, turns errors into exit codes.

Heavy imports stay inside the verbs, so that ``--help`` answers at once.
"""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec

import typer
from rich.console import Console

from dagnn import __version__
from dagnn.errors import DagnnError, UsageError

Params = ParamSpec("Params")

app = typer.Typer(
    name="dagnn",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Carry cosmological parameters from one galaxy-formation suite to the next.",
    epilog="Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration, "
    "3 data missing or broken, 130 interrupted after a checkpoint was written.",
)
mock_app = typer.Typer(no_args_is_help=True, help="Make synthetic data in the real formats.")
app.add_typer(mock_app, name="mock")

Run = Annotated[Path, typer.Argument(help="Folder of a finished run.", show_default=False)]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of the data; the default is $DAGNN_DATA or catalogs/data."),
]
AdaptStatistics = Annotated[
    bool,
    typer.Option(help="Estimate an unseen suite's statistics from its unlabelled inputs."),
]


def main() -> None:
    """Run the command line."""
    app()


def _guarded(verb: Callable[Params, None]) -> Callable[Params, None]:
    @functools.wraps(verb)
    def run(*args: Params.args, **kwargs: Params.kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except DagnnError as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail("Interrupted. A run that has begun continues with --resume.", 130)
        except BrokenPipeError:
            # The reader (head, less) has gone; nothing is left to tell anyone.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except OSError as error:
            _fail(f"{error.strerror or error}: {error.filename or 'no file named'}.", 1)

    return run


def _fail(message: str, code: int) -> None:
    console = Console(stderr=True)
    console.print("[bold red]Error:[/] ", end="")
    console.print(message, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _split(names: list[str] | None) -> list[str] | None:
    return [part for name in names for part in name.split(",") if part] if names else None


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"dagnn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
@_guarded
def train(
    source: Annotated[
        list[str] | None, typer.Option(help="Labelled suite; repeat or separate by commas.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Unlabelled suite to align with; repeatable.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="YAML file, or a shipped name such as spectra_mmd.")
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", help="Override one setting: training.epochs=10.")
    ] = None,
    data: DataFolder = None,
    mock: Annotated[
        bool, typer.Option("--mock", help="Use mock universes, made on demand.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/NAME by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of split, weights and batches.")] = None,
    compare_source_only: Annotated[
        bool, typer.Option(help="Also train without adaptation and show both.")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(help="Continue an interrupted run, exactly.")
    ] = None,
    init_from: Annotated[
        Path | None, typer.Option(help="Start from the weights of a finished run.")
    ] = None,
) -> None:
    """Train on a labelled source and an unlabelled target; evaluate; write a report.

    Without --data, and with no data in the default place, mock universes are
    made and everything that comes of them says MOCK.
    """
    from dagnn import run

    if resume is not None:
        given = (source, target, config, override, data, out, seed, init_from)
        if any(value is not None for value in given) or mock or compare_source_only:
            raise UsageError(
                "--resume continues a run as it was started; give no other flag with it."
            )
        run.resume(resume)
        return
    if data is not None and mock:
        raise UsageError("--data and --mock exclude each other.")
    experiment = run.load(
        config,
        override or [],
        source=_split(source),
        target=_split(target),
        seed=seed,
        data=data,
        init_from=init_from,
        compare_source_only=compare_source_only,
    )
    run.train(experiment, out=out, mock=mock)


@app.command()
@_guarded
def evaluate(
    folder: Run,
    suite: Annotated[
        list[str] | None, typer.Option(help="Further suite, also one never seen; repeatable.")
    ] = None,
    data: DataFolder = None,
    adapt_statistics: AdaptStatistics = False,
) -> None:
    """Measure a finished run again, also on suites that it never saw."""
    from dagnn import run

    run.evaluate(folder, suites=_split(suite) or [], data=data, adapt_statistics=adapt_statistics)


@app.command()
@_guarded
def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(help="RUN FILE..., or only files with --weights.", show_default=False),
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file; the screen by default.")] = None,
    suite: Annotated[
        str | None, typer.Option(help="Trained suite whose statistics to use; the first source.")
    ] = None,
    adapt_statistics: AdaptStatistics = False,
    weights: Annotated[
        Path | None, typer.Option(help="A published GNN_DomainAdapt or CosmoGraphNet weight file.")
    ] = None,
    convention: Annotated[
        str, typer.Option(help="Graph convention with --weights: published or periodic.")
    ] = "published",
    linking_radius: Annotated[
        float | None, typer.Option(help="In box units, with --weights; read from the file name.")
    ] = None,
    parameters: Annotated[
        str, typer.Option(help="With --weights: what the file predicts, separated by commas.")
    ] = "Omega_m",
    features: Annotated[
        str | None, typer.Option(help="With --weights: node features, where four are not all.")
    ] = None,
) -> None:
    """Give parameters with error bars for catalogues; warn outside the training range."""
    from dagnn import run

    if weights is not None:
        run.predict_published(
            weights,
            paths,
            convention=convention,
            linking_radius=linking_radius,
            parameters=parameters.split(","),
            features=features,
            out=out,
        )
        return
    if len(paths) < 2:
        raise UsageError("dagnn predict RUN FILE...: name the run first, then at least one file.")
    run.predict(paths[0], paths[1:], suite=suite, adapt_statistics=adapt_statistics, out=out)


@app.command()
@_guarded
def report(folder: Run) -> None:
    """Write report.html and the figures of a run again from its stored results."""
    from dagnn import run

    run.report(folder)


@app.command()
@_guarded
def inspect(
    path: Annotated[Path, typer.Argument(help="Catalogue, table, data folder or run.")],
) -> None:
    """Tell what a file or folder holds, and what is wrong with it."""
    from dagnn import run

    if run.inspect(path):
        raise typer.Exit(3)


@app.command()
@_guarded
def doctor() -> None:
    """Show versions, devices, and which optional accelerators are active."""
    from dagnn.environment import doctor_lines

    for line in doctor_lines():
        typer.echo(line)


@mock_app.command()
@_guarded
def universe(
    suite: Annotated[
        list[str] | None, typer.Option(help="tng, simba or astrid; repeatable; all by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Data folder to fill.")] = Path("catalogs/mock"),
    count: Annotated[int, typer.Option(min=1, help="Boxes per suite.")] = 100,
    table: Annotated[
        Path | None, typer.Option(help="Real LH table to draw the boxes at; else fresh rows.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of rows and boxes.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Make mock suites in the real HDF5 layout. They are not CAMELS and say so."""
    from dagnn import run

    run.make_mocks(
        _split(suite) or ["tng", "simba", "astrid"],
        out,
        count=count,
        table=table,
        seed=seed,
        workers=workers,
    )
