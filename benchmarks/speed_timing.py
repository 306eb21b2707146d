"""Clocks, medians of interleaved repeats, and peak memory in processes of their own."""

import gc
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

MIB = 1024.0


def clock_of(device: str) -> Callable[[], float]:
    """Return processor time on one CPU thread, which others on the machine do not lengthen.

    With more threads, or on a GPU, wall time after the device has finished.
    """
    if device == "cpu":
        return time.process_time if torch.get_num_threads() == 1 else time.perf_counter

    def finished() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return finished


def medians(
    cases: Mapping[str, Callable[[], object]], repeats: int, device: str = "cpu", warm_up: int = 1
) -> dict[str, float]:
    """Return the median seconds of every case; cases take turns, so that drifts hit all."""
    clock = clock_of(device)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    gc.collect()
    for turn in range(warm_up + repeats):
        for name, run in cases.items():
            started = clock()
            run()
            if turn >= warm_up:
                seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the slope of log time against log size, over the larger half of the sizes.

    Small sizes measure the calls, not the work.
    """
    first = (len(sizes) - 1) // 2
    x = [math.log(size) for size in sizes[first:]]
    y = [math.log(value) for value in seconds[first:]]
    return statistics.linear_regression(x, y).slope


def resident() -> float:
    """Return the peak resident memory of this process in MiB.

    Linux lets a new program inherit ``ru_maxrss`` from its parent, but not ``VmHWM``.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
        return float(line.split()[1]) / MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def growth_of_memory(run: Callable[[], object]) -> float:
    """Return by how many MiB a call raises the peak memory of this process."""
    gc.collect()
    before = resident()
    run()
    return resident() - before


def in_own_process(script: str, *arguments: str) -> float:
    """Run a benchmark with ``--memory``, which prints one number of MiB as JSON."""
    command = [sys.executable, str(Path(script).resolve()), "--memory", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))
