"""Measure a training step of deep ensembles: members side by side, and one after the other.

    OMP_NUM_THREADS=1 python benchmarks/ensembles.py [--device cuda] [--json FILE]

A step is everything between two batches: forward on source and target, Gaussian NLL and MMD,
backward, clipping, AdamW. Prints medians in milliseconds, and the ratio to one network; with
one thread on the CPU of processor time, which other programs on the machine do not lengthen.
Inputs are random; time does not depend on their values.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch_geometric.data import Batch, Data

from dagnn.graphs import build_graph
from dagnn.losses import MMD, GaussianNLL, Objective, PerMember
from dagnn.models import Ensemble, GraphEncoder, MomentsHead, Network, SpectrumEncoder
from dagnn.records import TensorBatch
from dagnn.training import TrainSettings
from dagnn.training.loop import Loop

FEATURES, ITEMS = 20, 32
BOXES, GALAXIES, RADIUS = 16, 1000, 0.1
COLUMNS = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
WARM_UP = 3


class Same:
    """Streams that give the same batches at every step."""

    steps = 1_000_000

    def __init__(self, source: Any, target: Any) -> None:
        self.drawn = [source], [target], torch.arange(len(target.y))

    def draw(self, targets: bool) -> Any:
        """Return source, target and the numbers of target items."""
        return self.drawn

    def state_dict(self) -> dict[str, Any]:
        """Nothing decides the next draw."""
        return {}

    def load_state_dict(self, state: Any) -> None:
        """Nothing to restore."""


def spectra(device: str) -> Same:
    """Return two batches of summary vectors."""
    batch = TensorBatch(torch.randn(ITEMS, FEATURES), torch.rand(ITEMS, 1), 0)
    batch = replace(batch, x=batch.x.to(device), y=batch.y.to(device))
    return Same(batch, replace(batch, x=batch.x + 1))


def graphs(device: str) -> Same:
    """Return two batches of boxes of galaxies."""
    return Same(graph_batch(0).to(device), graph_batch(1).to(device))


def graph_batch(seed: int) -> Batch:
    """Return boxes of galaxies at random places."""
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(BOXES):
        columns = {name: rng.lognormal(size=GALAXIES) for name in COLUMNS}
        graph = build_graph(rng.random((GALAXIES, 3)), columns, RADIUS, "all")
        tensors = {name: torch.from_numpy(value) for name, value in vars(graph).items()}
        boxes.append(Data(**tensors, y=torch.rand(1, 1)))
    batch = Batch.from_data_list(boxes)
    batch.domain = 0
    return batch


def spectrum_network() -> Network:
    """Return the network of the configuration ``spectra_mmd``, without dropout."""
    encoder = SpectrumEncoder({"features": FEATURES}, hidden=[64, 64], width=16)
    return Network(encoder, MomentsHead(16, 1))


def graph_network() -> Network:
    """Return the network of ``configs/base.yaml``."""
    encoder = GraphEncoder({"node": 4, "edge": 3, "global": 1}, hidden=32)
    return Network(encoder, MomentsHead(encoder.width, 1, hidden=[64]))


CASES: dict[str, tuple[Callable[[], Network], Callable[[str], Same]]] = {
    f"spectra: 64-64-16, {ITEMS} + {ITEMS} items": (spectrum_network, spectra),
    f"graphs: hidden 32, {BOXES} + {BOXES} boxes of {GALAXIES}": (graph_network, graphs),
}


def make_objective() -> Objective:
    """Return the default objective."""
    return Objective(GaussianNLL(), {"mmd": (MMD(), 0.3, "constant")})


def step_time(loop: Loop, steps: int) -> float:
    """Return the median time of a step in milliseconds."""
    on_cuda = loop.parameters[0].is_cuda
    alone = not on_cuda and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    times = []
    for _ in range(WARM_UP + steps):
        started = clock()
        loop.run_step()
        if on_cuda:
            torch.cuda.synchronize()
        times.append(1e3 * (clock() - started))
    return statistics.median(times[WARM_UP:])


def measure(name: str, members: int, together: bool | None, device: str, steps: int) -> float:
    """Time one ensemble; one network where ``together`` is None."""
    make, data = CASES[name]
    domains = data(device)
    networks = [make() for _ in range(members)]
    for network in networks:
        network.fit_inputs(domains.drawn[0][0])
    network = networks[0] if together is None else Ensemble(networks, together)
    objectives = [make_objective() for _ in range(members)]
    objective = objectives[0] if together is None else PerMember(objectives)
    loop = Loop(network.to(device), objective.to(device), domains, TrainSettings(epochs=1))
    return step_time(loop, steps)


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--members", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write every number here")
    given = parser.parse_args()
    table = Table("training step", "members", "side by side", "one by one", "one network [ms]")
    numbers: list[dict[str, Any]] = []
    for name in CASES:
        single = measure(name, 1, None, given.device, given.steps)
        for members in given.members:
            times = [
                measure(name, members, together, given.device, given.steps)
                for together in (True, False)
            ]
            cells = [f"{value:.1f} ms = {value / single:.1f} x" for value in times]
            table.add_row(name, str(members), *cells, f"{single:.1f}")
            numbers.append(
                {"case": name, "members": members, "single_ms": single}
                | {"together_ms": times[0], "one_by_one_ms": times[1], "device": given.device}
                | {"threads": torch.get_num_threads(), "torch": torch.__version__}
            )
    Console().print(table)
    if given.json is not None:
        given.json.write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main()
