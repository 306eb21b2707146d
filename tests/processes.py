"""Start a script, or the command, in several processes, as torchrun does."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start(arguments: Sequence[str], count: int = 2, **options) -> list[subprocess.Popen[str]]:
    """Start ``python arguments`` so often, each knowing which one it is."""
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONFAULTHANDLER": "1",
    }
    return [
        subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        for rank in range(count)
    ]


def finish(processes: Sequence[subprocess.Popen[str]], timeout: float = 120) -> list[str]:
    """Wait for all of them and return what each has said; where one hangs, where it was."""
    try:
        return ["".join(process.communicate(timeout=timeout)) for process in processes]
    except subprocess.TimeoutExpired:
        for process in processes:
            process.send_signal(signal.SIGABRT)
        said = ["".join(process.communicate()) for process in processes]
        raise AssertionError("\n".join(["Timed out.", *said])) from None
    finally:
        for process in processes:
            process.kill()
