"""The ``dagnn`` command: parses, calls one verb, turns errors into exit codes.

Heavy imports stay inside the verbs, so that ``--help`` answers at once.
"""

import os
import sys
from typing import Annotated

import typer
from typer import Option

from dagnn import __version__
from dagnn.cli.common import exit_now, guarded, single_process
from dagnn.cli.finished import evaluate, inspect, predict, report
from dagnn.cli.making import doctor, prepare, sky, universe
from dagnn.cli.training import matrix, train
from dagnn.cli.tuning import tune_app
from dagnn.console import make_readable

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

for verb in (train, matrix, evaluate, predict, report, inspect, prepare, doctor):
    app.command()(verb)
mock_app.command()(universe)
mock_app.command()(sky)
app.add_typer(mock_app, name="mock")
app.add_typer(tune_app, name="tune")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        make_readable(stream)
    # Figures go to files in a style of their own, whatever the notebook or matplotlibrc.
    os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
    try:
        guarded(app)()
    except SystemExit as end:
        if not single_process():
            exit_now(end.code)
        raise
    except Exception:
        if not single_process():
            sys.excepthook(*sys.exc_info())
            exit_now(1)
        raise


def _version(show: bool) -> None:
    if show:
        typer.echo(f"dagnn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
