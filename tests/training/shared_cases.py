"""Trainings that one process and two processes must agree on, and a script that runs them."""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from toy import FEATURES, Points, Secret

from dagnn.collective import (
    average_over_processes,
    gather_rows,
    local_rows,
    moments_over_processes,
    shared_batches,
)
from dagnn.data.galaxies import GalaxyGraphs
from dagnn.data.images import Images
from dagnn.data.streams import Domains, Stream
from dagnn.errors import DagnnError, Interrupted
from dagnn.graphs import build_graph
from dagnn.losses import (
    DANN,
    MMD,
    CrossEntropy,
    DomainTerm,
    GaussianNLL,
    MomentsLoss,
    Neighbourhood,
    Objective,
    PerMember,
    SelfTunedObjective,
)
from dagnn.losses.objective import Window
from dagnn.models import (
    ClassHead,
    Ensemble,
    GraphEncoder,
    MomentsHead,
    Network,
    SpectrumEncoder,
    SurveyEncoder,
)
from dagnn.parameters import Scaling
from dagnn.records import EpochRecord, Pair
from dagnn.training import Callback, Checkpoints, TrainSettings, fit, process_group
from dagnn.training.distributed import init_process_group
from dagnn.training.optimizers import OPTIMIZERS

STEPS, WIDTH = 6, 8


class Training(NamedTuple):
    network: Any
    objective: Any
    domains: Domains


def points(sizes: tuple[int, ...] = (16, 16)) -> Domains:
    """Two labelled domains and one unlabelled, one step per epoch."""
    sources = [Stream(Points(40, 1).in_domain(0), range(40), sizes[0])]
    sources += [Stream(Points(30, 2).in_domain(1), range(30), size) for size in sizes[2:]]
    targets = [Stream(Secret(37, 3, 2.0).in_domain(len(sources)), range(37), sizes[1])]
    return Domains(sources, targets, steps=1)


def spectra(seed: int = 0, dropout: float = 0.0) -> Network:
    torch.manual_seed(seed)
    sizes = {"features": FEATURES}
    encoder = SpectrumEncoder(sizes, [16], WIDTH, dropout, batch_norm=True, domains=3)
    return Network(encoder, MomentsHead(WIDTH, 1, hidden=[8]))


def mmd() -> Objective:
    return Objective(GaussianNLL(), {"mmd": (MMD(), 0.5, "ganin")})


def adversarial(dropout: float = 0.5) -> Objective:
    torch.manual_seed(7)
    return Objective(MomentsLoss(), {"dann": (DANN(WIDTH, dropout=dropout), 1.0, "constant")})


def windowed() -> Training:
    objective = mmd()
    objective.look_through(Window([-1.0], [1.0]))
    return Training(spectra(), objective, points((16, 12, 8)))


def self_tuned() -> Training:
    terms = {"mmd": (MMD(estimator="biased"), 1.0, "constant")}
    return Training(spectra(), SelfTunedObjective(GaussianNLL(), terms), points())


def members(side_by_side: bool) -> Training:
    network = Ensemble([spectra(seed) for seed in range(3)], side_by_side)
    return Training(network, PerMember([adversarial(0.0) for _ in range(3)]), points())


def graphs(seed: int) -> GalaxyGraphs:
    """Boxes of different numbers of galaxies."""
    rng = np.random.default_rng(seed)
    names = ("stellar_mass", "stellar_radius", "stellar_metallicity", "vmax")
    counts = rng.integers(1, 60, 12)
    boxes = [
        build_graph(rng.random((n, 3)), {name: rng.lognormal(size=n) for name in names}, 0.2)
        for n in counts
    ]
    truth = rng.uniform(0.1, 0.5, (12, 1))
    return GalaxyGraphs(boxes, [str(n) for n in range(12)], truth, Scaling.of(["Omega_m"]))


def galaxies() -> Training:
    datasets = [graphs(0), graphs(1)]
    torch.manual_seed(0)
    encoder = GraphEncoder(datasets[0].sizes, 16, domains=2)
    network = Network(encoder, MomentsHead(encoder.width, 1, hidden=[8]))
    for domain, dataset in enumerate(datasets):
        network.fit_inputs(dataset.in_domain(domain).batch(torch.arange(12)))
    streams = [
        Stream(dataset.in_domain(domain), range(12), 6) for domain, dataset in enumerate(datasets)
    ]
    return Training(network, mmd(), Domains(streams[:1], streams[1:], steps=1))


def images() -> Training:
    rng = np.random.default_rng(0)
    datasets = [
        Images(
            rng.random((20, 3, 16, 16)).astype(np.float32),
            [f"{domain}-{n}" for n in range(20)],
            rng.integers(0, 3, 20),
            "abc",
        )
        for domain in range(2)
    ]
    torch.manual_seed(0)
    options = {"channels": (4, 8), "width": WIDTH, "dropout": 0.0, "augment": False}
    network = Network(
        SurveyEncoder(datasets[0].sizes, domains=2, **options), ClassHead(WIDTH, 3, hidden=[8])
    )
    memory = Neighbourhood(20, WIDTH)
    terms = {"dann": (DANN(WIDTH), 1.0, "constant"), "memory": (memory, 0.5, "constant")}
    streams = [
        Stream(dataset.in_domain(domain), range(20), 8) for domain, dataset in enumerate(datasets)
    ]
    objective = Objective(CrossEntropy(counts=[1, 1, 1]), terms)
    return Training(network, objective, Domains(streams[:1], streams[1:], steps=1))


CASES: dict[str, Callable[[], Training]] = {
    "statistics per suite": lambda: Training(spectra(), mmd(), points()),
    "shares of unequal size": lambda: Training(spectra(), mmd(), points((7, 5, 3))),
    "adversarial, with dropout of its own": lambda: Training(spectra(), adversarial(), points()),
    "self-tuned weights": self_tuned,
    "a window": windowed,
    "members side by side": lambda: members(True),
    "members one by one": lambda: members(False),
    "graphs": galaxies,
    "images with a memory": images,
}


SETTINGS = TrainSettings(epochs=STEPS, optimizer="adam", learning_rate=0.05, clip_norm=0.5)
# Weights that hardly move: what changes from step to step is the dropout.
STILL = replace(SETTINGS, learning_rate=1e-9)
MIXED = replace(SETTINGS, precision="bf16")


def losses(
    make: Callable[[], Training], settings: TrainSettings = SETTINGS
) -> list[dict[str, float]]:
    """Train and return the value of every term in every step, and a norm of the weights."""
    network, objective, domains = make()
    torch.manual_seed(5)
    history = fit(network, objective, domains, settings=settings).history
    state = {**network.state_dict(), **objective.state_dict()}
    # Every weight and statistic at its own place counts.
    end = sum(
        float((value.double().flatten() * torch.arange(1.0, value.numel() + 1)).abs().mean())
        for value in state.values()
    )
    return [*(record.train for record in history), {"weights": end}]


class Breaking(torch.nn.Module):
    """A layer that breaks at its third call: in all processes, or in the second one."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.calls = 0

    def forward(self, latent: Tensor) -> Tensor:
        self.calls += 1
        second = int(os.environ.get("RANK", "0")) == 1
        if self.calls == 3 and self.way == "nan":
            return latent * torch.nan
        if self.calls == 3 and self.way == "raise" and second:
            raise RuntimeError("no memory left")
        if self.calls == 3 and self.way == "kill" and second:
            os.kill(os.getpid(), signal.SIGKILL)
        return latent


def breaking(way: str) -> Training:
    network = spectra()
    network.encoder.layers.append(Breaking(way))
    return Training(network, mmd(), points())


def with_batch_norm() -> Training:
    network = spectra()
    network.encoder.layers.append(torch.nn.BatchNorm1d(WIDTH))
    return Training(network, mmd(), points())


REFUSED = {
    "a loss that breaks everywhere": lambda: breaking("nan"),
    "too few items": lambda: Training(spectra(), mmd(), points((16, 1))),
    "statistics of one process": with_batch_norm,
}


def refusal(make: Callable[[], Training]) -> str:
    try:
        losses(make)
    except DagnnError as error:
        return f"{type(error).__name__}: {error}"
    return ""


class Halves(DomainTerm):
    """How different the latents of the first and of the second half of a batch are."""

    def forward(self, pair: Pair) -> Tensor:
        first, second = pair.source.latent.chunk(2)
        return (first - second).abs().mean()


def equal_items() -> Training:
    """Items that only dropout can tell apart."""
    domains = points()
    domains.sources[0].dataset.x[:] = 1.0
    network = spectra(dropout=0.5)
    network.encoder.norm = None
    return Training(
        network, Objective(GaussianNLL(), {"halves": (Halves(), 0.0001, "constant")}), domains
    )


class Stop(Callback):
    def on_epoch(self, record: EpochRecord) -> None:
        if record.epoch == 2:
            raise KeyboardInterrupt


def resumed(folder: Path) -> list[dict[str, float]]:
    """The losses of a training that was interrupted after two epochs."""
    checkpoints, first, second = Checkpoints(folder), equal_items(), equal_items()
    torch.manual_seed(5)
    with suppress(Interrupted):
        fit(*first, settings=STILL, callbacks=[Stop()], checkpoints=checkpoints)
    torch.manual_seed(99)
    result = fit(*second, settings=STILL, resume=checkpoints.last)
    return [record.train for record in result.history]


def gradient_of_shared_rows() -> list[float]:
    """Differentiate what knows own rows, the whole batch, and statistics of it."""
    several = process_group().world_size > 1
    weight = torch.linspace(0.5, 2, 3, dtype=torch.float64).requires_grad_()
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with shared_batches() if several else nullcontext():
        rows = torch.tanh(local_rows(x) * weight)
        variance, mean, _ = moments_over_processes(rows)
        standard = (rows - mean) / variance.sqrt() * rows
        every = gather_rows(standard.T, dim=1).T
        value = torch.pdist(every).log().sum() + (every[:, 0] ** 3).mean()
        value.backward()
    if several:
        average_over_processes([weight.grad])
    return [value.item(), *weight.grad.tolist()]


def plain_steps() -> None:
    """Let ``adam`` be plain descent: a gradient of zero must not become a step of its own."""
    OPTIMIZERS["adam"] = torch.optim.SGD


def main(out: Path, way: str = "") -> None:
    torch.set_num_threads(1)
    plain_steps()
    with init_process_group() as processes:
        law = gradient_of_shared_rows()
        if not processes.is_main:
            processes.run_worker()
        elif way:
            losses(lambda: breaking(way))
        else:
            # Refused ones first: those that follow show that the processes go on together.
            refused = {name: refusal(make) for name, make in REFUSED.items()}
            found = {name: losses(make) for name, make in CASES.items()}
            found["dropout"] = losses(equal_items, STILL)
            found["mixed"] = losses(CASES["graphs"], MIXED)
            found["resumed"] = resumed(out.parent)
            out.write_text(json.dumps({"law": law, **refused, **found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
