"""Shared by the verbs: options, errors that become exit codes, training in several processes."""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn, ParamSpec

from typer import Option

from dagnn.console import log, print_line
from dagnn.errors import DagnnError, Interrupted, UsageError

Params = ParamSpec("Params")

DataFolder = Annotated[
    Path | None,
    Option("--data", help="Folder of the data; the default is $DAGNN_DATA or catalogs/data."),
]


Names = list[str] | None


def split_names(given: Names) -> Names:
    """Take repeated options and comma-separated names alike; None where none were given.

    An option without a name in it (``--source "$UNSET"``) is given, and empty. It is split
    inside the verbs because typer takes an empty list for an option that was not given.
    """
    return [name for words in given for name in words.split(",") if name] if given else None


Config = Annotated[str | None, Option(help="YAML file, or a shipped name such as spectra_mmd.")]
Override = Annotated[
    list[str] | None, Option("--set", help="Override one setting: training.epochs=10.")
]
Mock = Annotated[bool, Option("--mock", help="Use mock universes, made on demand.")]


def require_one_place(data: Path | None, mock: bool) -> None:
    """Refuse --data together with --mock."""
    if data is not None and mock:
        raise UsageError("--data and --mock exclude each other.")


def guarded(verb: Callable[Params, None]) -> Callable[Params, None]:
    """Turn errors into a message and an exit code."""

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
                # The reader has closed (head, less) or the disk is full: Python must not try again.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                _fail(f"{error.strerror or error}: {error.filename or 'standard output'}.", 1)
            raise SystemExit(1) from None

    return run


def _fail(message: str, code: int) -> None:
    # Who pressed Ctrl-C has made no error.
    print_line(log(), message, "[bold red]Error:[/]" * (code != Interrupted.exit_code))
    raise SystemExit(code)


def shared(verb: Callable[Params, None]) -> Callable[Params, None]:
    """Call a verb in the first process that torchrun starts, and the worker loop in the others."""

    @functools.wraps(verb)
    def run(*args: Params.args, **kwargs: Params.kwargs) -> None:
        if single_process():
            verb(*args, **kwargs)
            return
        from dagnn.training.distributed import init_process_group

        with init_process_group() as processes:
            if processes.is_main:
                verb(*args, **kwargs)
            else:
                processes.run_worker()

    return run


def single_process() -> bool:
    """Whether torchrun has not started several processes."""
    return os.environ.get("WORLD_SIZE", "1") == "1"


def exit_now(code: str | int | None) -> NoReturn:
    """End one of several processes at once, without the interpreter's shutdown.

    Threads of gloo can still hold tensors then. If one releases them while Python shuts down, the
    process is aborted after all its work is done (github.com/pytorch/pytorch/pull/179291).

    Args:
        code: as :func:`sys.exit` takes it.
    """
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if isinstance(code, str) else code or 0)
