"""Training steps of our network and of a straightforward one, for the speed benchmark."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from speed_data import make_dataset
from speed_peers import MetaEncoder
from torch_geometric.loader import DataLoader

from dagnn.data.galaxies import GalaxyGraphs
from dagnn.data.streams import Domains, Stream
from dagnn.losses import MMD, GaussianNLL, Objective
from dagnn.models import GraphEncoder, MomentsHead, Network
from dagnn.training import TrainSettings
from dagnn.training.forward import make_pair
from dagnn.training.loop import Loop

BATCH = 32


def forever(dataset: GalaxyGraphs) -> Iterator[Any]:
    """Return batches of a PyG loader without end."""
    loader = DataLoader([dataset[i] for i in range(len(dataset))], BATCH, shuffle=True)
    return itertools.chain.from_iterable(itertools.repeat(loader))


class Steps:
    """Training steps of our network and loop, and of the straightforward ones.

    Both have the same weights, losses, optimiser and clipping.
    """

    def __init__(self, boxes: int, device: str) -> None:
        torch.manual_seed(0)
        self.device = device
        self.datasets = [make_dataset(boxes, seed) for seed in (0, 1)]
        there = [dataset.to(device) for dataset in self.datasets]
        encoder = GraphEncoder(there[0].sizes, 64, 2, standardize=False, batch_norm=False)
        head = MomentsHead(encoder.width, 1, hidden=[64])
        plain = Network(MetaEncoder(encoder), head)
        self.plain, self.ours = plain.to(device), Network(encoder, head).to(device)
        everything = np.arange(boxes)
        streams = [
            [Stream(dataset.in_domain(domain), everything, BATCH)]
            for domain, dataset in enumerate(there)
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
