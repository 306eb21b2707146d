"""A linear regression with two moments, toy domains, and a script that trains them."""

import copy
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dagnn.data.streams import Domains, Stream
from dagnn.errors import Interrupted
from dagnn.losses import MMD, GaussianNLL, Objective
from dagnn.records import Moments, Output
from dagnn.training import Callback, Checkpoints, TrainSettings, fit, validation_metrics

FEATURES = 3
SLOPES = torch.tensor([[1.0], [-2.0], [0.5]])
# A shift that the truth does not depend on, so that it can be aligned away.
NUISANCE = torch.tensor([2.0, 1.0, 0.0])


@dataclass
class Items:
    """One batch of feature vectors."""

    x: Tensor
    y: Tensor
    domain: int


class Points:
    """Feature vectors whose truth is linear in them; ``shift`` moves what is observed."""

    def __init__(self, count: int, seed: int, shift: float | Tensor = 0.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(count, FEATURES, generator=generator)
        self.ids = self.groups = [str(row) for row in range(count)]
        self.y = x @ SLOPES + 0.1 * torch.randn(count, 1, generator=generator)
        self.x = x + shift
        self.sizes = {"features": FEATURES}

    def __len__(self) -> int:
        return len(self.y)

    domain: int | None = 0

    def to(self, where) -> "Points":
        return self

    def in_domain(self, domain: int | None) -> "Points":
        placed = copy.copy(self)
        placed.domain = domain
        return placed

    def batch(self, index: Tensor) -> Items:
        return Items(self.x[index], self.y[index], self.domain)


class Secret(Points):
    """A target whose truth must not be read."""

    def batch(self, index: Tensor):
        return Unlabelled(self.x[index], self.domain)


class Unlabelled:
    def __init__(self, x: Tensor, domain: int) -> None:
        self.x = x
        self.domain = domain

    @property
    def y(self) -> Tensor:
        raise AssertionError("target labels must not be read")


class Forbidden(Points):
    """A target that must not be touched at all."""

    def batch(self, index: Tensor) -> Items:
        raise AssertionError("the target must not be touched")


class ToyNetwork(nn.Module):
    """Linear latent, batch statistics, dropout, and a head with mean and std."""

    def __init__(self, width: int = 4, dropout: float = 0.2) -> None:
        super().__init__()
        self.encoder = nn.Linear(FEATURES, width)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, 2)

    def forward(self, batch: Items) -> Output:
        latent = self.encoder(batch.x)
        mean, spread = self.head(self.dropout(self.norm(latent))).split(1, dim=1)
        return Output(latent, Moments(mean, nn.functional.softplus(spread)))


def toy_network(seed: int = 0, **options) -> ToyNetwork:
    """Build a network from a seed, which also seeds dropout from here on."""
    torch.manual_seed(seed)
    return ToyNetwork(**options)


def toy_domains(target: type[Points] = Secret, shift: float = 2.0, seed: int = 0) -> Domains:
    """Two sources and two targets of different sizes."""
    sources = [
        Stream(Points(n, n).in_domain(d), range(n), 16, seed) for d, n in enumerate((60, 45))
    ]
    targets = [
        Stream(target(n, n, shift).in_domain(d), range(n), 16, seed) for d, n in ((2, 50), (3, 37))
    ]
    return Domains(sources, targets)


def toy_objective(weight: float = 0.5) -> Objective:
    return Objective(GaussianNLL(), {"mmd": (MMD(), weight, "ganin")})


def toy_validation(network: nn.Module, objective: nn.Module | None = None) -> dict[str, float]:
    """Validation numbers on fresh points of one source and one target."""
    source, target = Points(40, 91), Secret(40, 92, 2.0)
    rows = torch.arange(40)
    batches = [source.batch(rows)], [target.in_domain(2).batch(rows)]
    return validation_metrics(network, objective or toy_objective(), *batches)


SETTINGS = TrainSettings(epochs=6, learning_rate=0.02, select_on="source_loss", patience=4)


def train(
    folder: Path | None = None,
    *,
    settings: TrainSettings = SETTINGS,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    seed: int = 0,
    **options,
):
    """Train the toy; return network and result."""
    network = toy_network(seed)
    checkpoints = Checkpoints(folder / "checkpoints") if folder else None
    result = fit(
        network,
        toy_objective(),
        toy_domains(),
        settings=settings,
        validate=toy_validation,
        callbacks=callbacks,
        checkpoints=checkpoints,
        resume=checkpoints.last if checkpoints and resume else None,
        **options,
    )
    return network, result


class Announce(Callback):
    """Print each epoch, then give a signal time to arrive."""

    def on_epoch(self, record) -> None:
        sys.stdout.write(f"epoch {record.epoch}\n")
        sys.stdout.flush()

    def on_step(self, step: int) -> None:
        time.sleep(0.02)


if __name__ == "__main__":
    try:
        train(Path(sys.argv[1]), settings=replace(SETTINGS, epochs=8), callbacks=[Announce()])
    except Interrupted as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
