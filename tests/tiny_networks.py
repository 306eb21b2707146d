"""Networks of images that can be worked out by hand."""

import torch
from torch import nn
from torch.nn import functional

from dagnn.models import Ensemble, Network
from dagnn.records import Logits, Output


class Linear(nn.Module):
    """Two classes; the second where the brightness of all pixels adds up to more than a bound."""

    def __init__(self, bound):
        super().__init__()
        self.bound = bound

    def forward(self, batch):
        total = batch.x.flatten(1).sum(1, keepdim=True)
        return Output(total, Logits(torch.cat([0 * total, total - self.bound], 1)))


class Encoder(nn.Module):
    """One convolution, whose maps are averaged."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1, stride=2)

    def maps(self, batch):
        return functional.relu(self.conv(batch.x))

    def gather(self, maps, domain=0):
        return maps.mean((2, 3)) + 10 * domain

    def forward(self, batch):
        return self.gather(self.maps(batch), getattr(batch, "domain", 0))


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 3)

    def forward(self, latent):
        return Logits(self.linear(latent))


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.head = Encoder(), Head()

    def forward(self, batch):
        latent = self.encoder(batch)
        return Output(latent, self.head(latent))


def tiny_ensemble(*seeds):
    """Return an ensemble of tiny networks, one for each seed."""
    members = []
    for seed in seeds:
        torch.manual_seed(seed)
        members.append(Network(Encoder(), Head()))
    return Ensemble(members)
