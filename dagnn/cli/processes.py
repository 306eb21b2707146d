"""Verbs that several processes train together."""

import functools
import os
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec

Params = ParamSpec("Params")


def shared(verb: Callable[Params, None]) -> Callable[Params, None]:
    """Let the first of the processes that torchrun starts call a verb, and the others help."""

    @functools.wraps(verb)
    def run(*args: Params.args, **kwargs: Params.kwargs) -> None:
        if alone():
            verb(*args, **kwargs)
            return
        from dagnn.training.distributed import together

        with together() as team:
            if team.leads:
                verb(*args, **kwargs)
            else:
                team.follow()

    return run


def alone() -> bool:
    """Whether this process is the only one, not one of several that torchrun has started."""
    return os.environ.get("WORLD_SIZE", "1") == "1"


def leave(code: str | int | None) -> NoReturn:
    """End a process of several at once, without taking the interpreter apart.

    Threads of gloo can still hold tensors then; where one lets go of them while Python ends, the
    process is aborted after all its work was done (github.com/pytorch/pytorch/pull/179291).

    Args:
        code: as :func:`sys.exit` takes it.
    """
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if isinstance(code, str) else code or 0)
