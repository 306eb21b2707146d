"""Measure every stage between files and a trained graph network, next to its peers.

    OMP_NUM_THREADS=1 python benchmarks/speed.py --quick --json FILE
    python benchmarks/speed.py --threads 2 --device cuda

One table: medians of interleaved repeats, and ratios to ours. On one CPU thread the clock
is processor time, otherwise wall time. Boxes are MOCKS or random clumps of galaxies with
the published numbers of neighbours; the network has the published size (two blocks of 64).
Nothing is compared that does not give the same numbers; that is asserted.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.spatial import cKDTree
from speed_peers import MetaEncoder, loop_graph
from speed_timing import exponent, growth_of_memory, in_own_process, medians
from torch_geometric.loader import DataLoader

from dagnn.catalogs.collection import load_suite
from dagnn.data.domains import Domains, Stream
from dagnn.data.galaxies import GalaxyGraphs
from dagnn.environment import collect_environment
from dagnn.graphs import Graph, build_graph, periodic_pairs
from dagnn.losses import MMD, GaussianNLL, Objective
from dagnn.mocks.universe import make_universe
from dagnn.models import GraphEncoder, MomentsHead, Network
from dagnn.parameters import Scaling
from dagnn.training import TrainSettings
from dagnn.training.forward import make_pair
from dagnn.training.loop import Loop

GALAXIES, BATCH, RADIUS = 1000, 32, 0.015
COLUMNS = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
SCALING = Scaling.of(["Omega_m"])


@dataclass(frozen=True)
class Row:
    """One line of the table; ``ratio`` is to the first line of the same stage."""

    stage: str
    case: str
    value: float
    unit: str
    ratio: float


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    files: int
    boxes: int
    repeats: int
    galaxies: tuple[int, ...]
    counts: tuple[int, ...]


QUICK = Plan(4, 64, 5, (100, 1000, 10_000, 100_000), (8, 32, 128))
FULL = Plan(24, 256, 11, (100, 1000, 10_000, 100_000, 1_000_000), (8, 32, 128, 512))


def clumps(galaxies: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray], float]:
    """Return galaxies in clumps, with 2.5 neighbours each in the linking radius.

    CAMELS has 2.3 ± 1.3 at 0.015 of the box. For other numbers of galaxies the radius
    keeps the number of neighbours.
    """
    rng = np.random.default_rng(seed)
    radius = RADIUS * (GALAXIES / galaxies) ** (1 / 3)
    parents = rng.random((max(1, galaxies // 4), 3))
    place = parents[rng.integers(0, len(parents), galaxies)]
    place = np.mod(place + rng.normal(0, 0.4 * radius, (galaxies, 3)), 1.0)
    place[place >= 1] = 0.0
    return place, {name: rng.lognormal(size=galaxies) for name in COLUMNS}, radius


def make_graph(galaxies: int, seed: int) -> Graph:
    """Return the graph of one such box."""
    return build_graph(*clumps(galaxies, seed))


def make_dataset(boxes: int, seed: int = 0, galaxies: int = GALAXIES) -> GalaxyGraphs:
    """Return boxes with random truth."""
    graphs = [make_graph(galaxies, 1000 * seed + box) for box in range(boxes)]
    truth = np.random.default_rng(seed).uniform(0.1, 0.5, (boxes, 1))
    return GalaxyGraphs(graphs, [str(box) for box in range(boxes)], truth, SCALING)


def rows_of(stage: str, seconds: dict[str, float], per: int = 1) -> list[Row]:
    """Turn medians into rows in milliseconds per item; the first is the reference."""
    reference = next(iter(seconds.values()))
    return [
        Row(stage, case, 1e3 * value / per, "ms", value / reference)
        for case, value in seconds.items()
    ]


def reading(plan: Plan) -> list[Row]:
    """Read mock catalogues from HDF5, and from the cache of selected columns."""
    with tempfile.TemporaryDirectory() as folder:
        data, cache = Path(folder) / "data", Path(folder) / "cache"
        make_universe("tng", data, plan.files)
        load_suite("tng", data, cache=cache)
        cases = {
            "from the cache": lambda: load_suite("tng", data, cache=cache),
            "from HDF5": lambda: load_suite("tng", data),
        }
        return rows_of("read a catalogue", medians(cases, plan.repeats), plan.files)


def graphs(plan: Plan) -> list[Row]:
    """Build a graph; search neighbours only; loop over edges."""
    place, columns, radius = clumps(GALAXIES, 0)
    ours = build_graph(place, columns, radius, convention="published")
    edges, features = loop_graph(place, radius)
    assert np.array_equal(edges, ours.edge_index)
    assert np.abs(features - ours.edge_attr).max() < 1e-3  # the convention is single precision
    cases: dict[str, Callable[[], object]] = {
        "catalogue to graph": partial(build_graph, place, columns, radius),
        "our search and sorting only": partial(periodic_pairs, place, radius),
        "bare cKDTree.query_pairs": partial(bare_search, place, radius),
    }
    if find_spec("vesin") is not None:
        cases["bare vesin"] = partial(vesin_search, place, radius)
    if find_spec("torch_cluster") is not None:
        cases["bare torch_cluster, no periodicity"] = partial(cluster_search, place, radius)
    fast = medians(cases, 10 * plan.repeats)
    slow = medians({"plain loop over edges": partial(loop_graph, place, radius)}, plan.repeats)
    return rows_of("build a graph", fast | slow)


def bare_search(place: np.ndarray, radius: float) -> np.ndarray:
    """Find the periodic pairs, nothing more."""
    pairs: np.ndarray = cKDTree(place, boxsize=1.0).query_pairs(radius, output_type="ndarray")
    return pairs


def vesin_search(place: np.ndarray, radius: float) -> object:
    """Find every pair once with vesin."""
    import vesin

    search = vesin.NeighborList(cutoff=radius, full_list=False)
    return search.compute(points=place, box=np.eye(3), periodic=True, quantities="ij")


def cluster_search(place: np.ndarray, radius: float) -> object:
    """Find pairs with the search behind PyG's ``RadiusGraph``."""
    from torch_cluster import radius_graph

    return radius_graph(torch.from_numpy(place), radius, max_num_neighbors=1000)


def batching(plan: Plan, device: str) -> list[Row]:
    """Gather a batch of boxes from memory; collate it with PyG's loader."""
    dataset = make_dataset(plan.boxes).to(device)
    order = torch.randperm(plan.boxes)[:BATCH]
    loader = forever(make_dataset(plan.boxes))
    cases = {
        "gathered by tensor operations": lambda: dataset.batch(order),
        "PyG DataLoader": lambda: next(loader).to(device),
    }
    return rows_of(f"a batch of {BATCH} boxes, {device}", medians(cases, plan.repeats, device))


def forever(dataset: GalaxyGraphs) -> Iterator[Any]:
    """Return batches of a PyG loader without end."""
    loader = DataLoader([dataset[i] for i in range(len(dataset))], BATCH, shuffle=True)
    return itertools.chain.from_iterable(itertools.repeat(loader))


class Steps:
    """Training steps of our network and loop, and of the straightforward ones.

    Both have the same weights, losses, optimiser and clipping.
    """

    def __init__(self, plan: Plan, device: str) -> None:
        torch.manual_seed(0)
        self.device = device
        self.datasets = [make_dataset(plan.boxes, seed) for seed in (0, 1)]
        there = [dataset.to(device) for dataset in self.datasets]
        encoder = GraphEncoder(there[0].sizes, 64, 2, standardize=False, batch_norm=False)
        head = MomentsHead(encoder.width, 1, hidden=[64])
        plain = Network(MetaEncoder(encoder), head)
        self.plain, self.ours = plain.to(device), Network(encoder, head).to(device)
        everything = np.arange(plan.boxes)
        streams = [
            [Stream(dataset, everything, BATCH, domain)] for domain, dataset in enumerate(there)
        ]
        settings = TrainSettings(epochs=1000)
        self.loop = Loop(self.ours, objective().to(device), Domains(*streams), settings)
        self.loaders = [forever(dataset) for dataset in self.datasets]
        self.optimizer = torch.optim.AdamW(self.plain.parameters(), lr=3e-3, weight_decay=1e-2)
        self.objective = objective().to(device)

    def require_same_numbers(self) -> None:
        """Compare the latents of one batch, relative to the largest number."""
        batch = self.datasets[0].to(self.device).batch(torch.arange(BATCH))
        with torch.no_grad():
            ours, plain = (network.encoder(batch) for network in (self.ours, self.plain))
        worst = ((ours - plain).abs().max() / plain.abs().max()).item()
        assert worst < 1e-5, f"our latents differ from the plain ones by {worst:.1e}"

    def our_step(self) -> None:
        """Take a step as the trainer does."""
        self.loop.run_step()

    def plain_step(self, batches: list[Any] | None = None) -> None:
        """Take a step as one writes it by hand."""
        source, target = batches or [next(loader).to(self.device) for loader in self.loaders]
        source.domain, target.domain = 0, 1
        index = torch.arange(BATCH, device=self.device)
        self.optimizer.zero_grad()
        terms = self.objective(make_pair(self.plain, [source], [target], index, 0.5))
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(self.plain.parameters(), 1.0)
        self.optimizer.step()


def objective() -> Objective:
    """Return the default objective."""
    return Objective(GaussianNLL(), {"mmd": (MMD(), 0.3, "constant")})


def stepping(plan: Plan, device: str) -> list[Row]:
    """Take training steps, with drawing the batches."""
    steps = Steps(plan, device)
    steps.require_same_numbers()
    batches = [dataset.to(device).batch(torch.arange(BATCH)) for dataset in steps.datasets]
    cases = {
        "ours": steps.our_step,
        "MetaLayer and DataLoader": steps.plain_step,
        "MetaLayer on ready batches": lambda: steps.plain_step(batches),
    }
    name = f"a training step of {BATCH} + {BATCH} boxes, {device}"
    return rows_of(name, medians(cases, plan.repeats, device, warm_up=2))


def epochs(plan: Plan, device: str) -> list[Row]:
    """Train for one pass over the source."""
    steps = Steps(plan, device)
    number = plan.boxes // BATCH
    cases = {
        "ours": lambda: [steps.our_step() for _ in range(number)],
        "MetaLayer and DataLoader": lambda: [steps.plain_step() for _ in range(number)],
    }
    name = f"an epoch of {plan.boxes} + {plan.boxes} boxes, {device}"
    return rows_of(name, medians(cases, max(3, plan.repeats // 3), device))


def step_memory(which: str, device: str) -> float:
    """Return by how many MiB training steps raise the peak memory."""
    steps = Steps(QUICK, device)
    run = {"ours": steps.our_step, "plain": steps.plain_step}[which]
    if device == "cpu":
        return growth_of_memory(lambda: [run() for _ in range(3)])
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def memory(plan: Plan, device: str) -> list[Row]:
    """Measure peak memory, each in a process of its own."""
    found = {
        case: in_own_process(__file__, which, "--device", device)
        for case, which in {"ours": "ours", "MetaLayer and DataLoader": "plain"}.items()
    }
    stage = f"peak memory of training steps, {device}"
    rows = [Row(stage, case, value, "MiB", value / found["ours"]) for case, value in found.items()]
    largest = plan.galaxies[-1]
    built = in_own_process(__file__, "graph", "--galaxies", str(largest))
    return [*rows, Row("peak memory of a graph", f"{largest} galaxies", built, "MiB", 1.0)]


def graph_memory(galaxies: int) -> float:
    """Return by how many MiB building one graph raises the peak memory."""
    place, columns, radius = clumps(galaxies, 0)
    return growth_of_memory(lambda: build_graph(place, columns, radius))


def growth(plan: Plan) -> tuple[list[Row], dict[str, Any]]:
    """Measure cost against galaxies per box and against number of boxes."""
    by_galaxies: dict[str, list[float]] = {"build a graph": [], "encode and differentiate": []}
    for galaxies in plan.galaxies:
        repeats = plan.repeats if galaxies < 100_000 else 1
        place, columns, radius = clumps(galaxies, 0)
        dataset = make_dataset(1, galaxies=galaxies)
        encoder = GraphEncoder(dataset.sizes)
        batch = dataset.batch(torch.tensor([0]))
        cases: dict[str, Callable[[], object]] = {
            "build a graph": partial(build_graph, place, columns, radius),
            "encode and differentiate": lambda b=batch, e=encoder: e(b).sum().backward(),
        }
        for name, value in medians(cases, repeats).items():
            by_galaxies[name].append(value)
    by_boxes: dict[str, list[float]] = {"batch": [], "encode and differentiate": []}
    dataset = make_dataset(max(plan.counts))
    encoder = GraphEncoder(dataset.sizes)
    for count in plan.counts:
        index = torch.arange(count)
        batch = dataset.batch(index)
        cases = {
            "batch": partial(dataset.batch, index),
            "encode and differentiate": lambda b=batch: encoder(b).sum().backward(),
        }
        for name, value in medians(cases, max(3, plan.repeats // 3)).items():
            by_boxes[name].append(value)
    rows, found = [], {}
    for what, sizes, measured in (
        ("galaxies", plan.galaxies, by_galaxies),
        ("boxes", plan.counts, by_boxes),
    ):
        for name, seconds in measured.items():
            slope = exponent(sizes, seconds)
            found[f"{name} / {what}"] = {"sizes": sizes, "seconds": seconds, "exponent": slope}
            case = f"{name}, {sizes[0]} to {sizes[-1]} {what}"
            rows.append(Row("growth", case, slope, "exponent", 1.0))
    return rows, found


def ratios(rows: list[Row], devices: list[str]) -> dict[str, float]:
    """Return the ratios that the project promises to keep."""
    value = {(row.stage, row.case): row.value for row in rows}
    build = {case: v for (stage, case), v in value.items() if stage == "build a graph"}
    ours = build["catalogue to graph"]
    found = {
        "graph_vs_neighbour_search": ours / build["bare cKDTree.query_pairs"],
        "plain_loop_graph_vs_ours": build["plain loop over edges"] / ours,
    }
    for device in devices:
        step = f"a training step of {BATCH} + {BATCH} boxes, {device}"
        ours, plain, ready = (
            value[step, case]
            for case in ("ours", "MetaLayer and DataLoader", "MetaLayer on ready batches")
        )
        found[f"plain_step_vs_ours_{device}"] = plain / ours
        found[f"plain_step_on_ready_batches_vs_ours_{device}"] = ready / ours
    return found


def measure(plan: Plan, devices: list[str]) -> tuple[list[Row], dict[str, Any]]:
    """Measure every stage."""
    console = Console(stderr=True)
    stages: list[Callable[[], list[Row]]] = [partial(reading, plan), partial(graphs, plan)]
    for device in devices:
        stages += [partial(stage, plan, device) for stage in (batching, stepping, epochs, memory)]
    rows: list[Row] = []
    for stage in stages:
        rows += stage()
        console.print(f"{rows[-1].stage}: done")
    grown, curves = growth(plan)
    return rows + grown, curves


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="minutes instead of a quarter hour")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="CPU threads; by default those of torch")
    parser.add_argument("--json", type=Path, help="write every number here")
    parser.add_argument("--memory", choices=["ours", "plain", "graph"], help=argparse.SUPPRESS)
    parser.add_argument("--galaxies", type=int, default=GALAXIES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    if given.memory is not None:
        wanted = given.memory == "graph"
        print(graph_memory(given.galaxies) if wanted else step_memory(given.memory, given.device))
        return
    devices = list(dict.fromkeys(["cpu", given.device]))
    rows, curves = measure(QUICK if given.quick else FULL, devices)
    show(rows, ratios(rows, devices), curves, given.json)


def show(
    rows: list[Row], promised: dict[str, float], curves: dict[str, Any], path: Path | None
) -> None:
    """Print the table and write the numbers."""
    table = Table("stage", "case", "median", "ratio")
    for stage, members in itertools.groupby(rows, key=lambda row: row.stage):
        for row in members:
            ratio = "" if row.unit == "exponent" else f"{row.ratio:.2f}"
            table.add_row(stage, row.case, f"{row.value:.3g} {row.unit}", ratio)
        table.add_section()
    console = Console(width=130)
    console.print(table)
    for name, value in promised.items():
        console.print(f"{name}: {value:.2f}")
    clock = "processor time" if torch.get_num_threads() == 1 else "wall time"
    console.print(f"CPU threads: {torch.get_num_threads()}; CPU clock: {clock}")
    if path is not None:
        numbers = {
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": collect_environment(seed=0),
            "threads": torch.get_num_threads(),
            "clock": clock,
            "ratios": promised,
            "rows": [asdict(row) for row in rows],
            "growth": curves,
        }
        path.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
