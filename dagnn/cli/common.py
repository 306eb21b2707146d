"""What the verbs share: options of one meaning, and errors that become exit codes."""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from dagnn.console import log
from dagnn.errors import DagnnError, Interrupted

Params = ParamSpec("Params")

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of the data; the default is $DAGNN_DATA or catalogs/data."),
]


def guarded(verb: Callable[Params, None]) -> Callable[Params, None]:
    """Turn the errors that a user can meet into a sentence and an exit code."""

    @functools.wraps(verb)
    def run(*args: Params.args, **kwargs: Params.kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except DagnnError as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            again = "Interrupted. The same command begins again; what is in caches is kept."
            _fail(again, Interrupted.exit_code)
        except OSError as error:
            if error.filename is None:
                # Nobody reads on (head, less), or the disk is full: Python shall not try again.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                _fail(f"{error.strerror or error}: {error.filename or 'standard output'}.", 1)
            raise SystemExit(1) from None

    return run


def _fail(message: str, code: int) -> None:
    console = log()
    if code != Interrupted.exit_code:  # who pressed Ctrl-C has made no error
        console.print("[bold red]Error:[/] ", end="")
    console.print(message, markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(code)


def split_names(names: list[str] | None) -> list[str] | None:
    """Take repeated options and comma-separated names alike; None where none were given."""
    return [part for name in names for part in name.split(",") if part] if names else None
