"""Processes that work for this one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_MAIN = "__main__"


@contextmanager
def without_main() -> Iterator[None]:
    """Let processes that start meanwhile not run the user's script again.

    A process that is spawned, as on macOS, imports the script that started it, and a script
    without ``if __name__ == "__main__"`` would begin anew there. Our workers need nothing of it.
    """
    script = sys.modules[_MAIN]
    sys.modules[_MAIN] = ModuleType(_MAIN)
    try:
        yield
    finally:
        sys.modules[_MAIN] = script
