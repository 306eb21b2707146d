"""Gaussian latents of two domains, for the tests of this room."""

import inspect
from dataclasses import replace

import torch
from torch import Tensor

from dagnn.losses import TERMS, DomainTerm
from dagnn.records import Logits, Moments, Output, Pair

CLASSES = 3


def make_pair(source: Tensor, target: Tensor, progress: float = 0.5) -> Pair:
    """Pair two latents whose first feature is the truth, which the network predicts."""

    def output(latent: Tensor) -> Output:
        return Output(latent, Moments(latent[:, :1], latent[:, :1].abs() + 1))

    return Pair(
        source=output(source),
        target=output(target),
        labels=source[:, :1].detach(),
        progress=progress,
        target_index=torch.arange(len(target)),
        source_domain=torch.zeros(len(source), dtype=torch.long),
        target_domain=torch.ones(len(target), dtype=torch.long),
    )


def make_class_pair(source: Tensor, target: Tensor, progress: float = 0.5) -> Pair:
    """Pair two latents whose first three features are class scores; the largest is the truth."""

    def output(latent: Tensor) -> Output:
        return Output(latent, Logits(2 * latent[:, :CLASSES]))

    return replace(
        make_pair(source, target, progress),
        source=output(source),
        target=output(target),
        labels=source[:, :CLASSES].argmax(1).detach(),
    )


# What the value of a term measures decides which laws it can obey. These
# lists are explicit; every other term of the table obeys them all.
ADVERSARIAL = ["dann"]  # the loss of a discriminator: large where the domains agree
SILENT = ["none", "statistics"]  # zero whatever the latents
MEAN_BLIND = ["coral"]  # unchanged by a shift, so tested with a stretch


# Terms about classes: whose outputs they read, and hence move. Zero or not, they do not
# compare the domains.
CLASS_TERMS = {
    "fisher": "source",
    "entropy": "target",
    "entropy_separation": "target",
    "clustering": "both",
    "neighbourhood": "target",
}
# Lowest where the classes are decided and lie apart. Entropy separation has a second low, for the
# undecided; neighbours are fewest for the scattered.
SEPARATING = ["fisher", "entropy", "clustering"]
SIZES = {"width": 4, "classes": CLASSES, "items": 600}


def make_term(name: str, **options) -> DomainTerm:
    """Make a term for latents of width four, with its own weights from a fixed seed."""
    torch.manual_seed(0)
    asked = inspect.signature(TERMS[name]).parameters
    return TERMS[name](**{key: SIZES[key] for key in SIZES if key in asked}, **options)


def pair_for(name: str, source: Tensor, target: Tensor) -> Pair:
    """Pair two latents with the kind of prediction that a term reads."""
    return (make_class_pair if name in CLASS_TERMS else make_pair)(source, target)


def displaced(name: str, target: Tensor, amount: float | Tensor) -> Tensor:
    """Move a target away from the source in the way that a term can see."""
    if name not in MEAN_BLIND:
        return target + amount
    factor = torch.ones(4, dtype=target.dtype)
    return target * torch.cat([1 + torch.as_tensor(amount).reshape(-1)[:1], factor[1:]])


def samples(shift: float, sources: int = 200, targets: int = 200) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    source = torch.randn(sources, 4, generator=generator)
    return source, torch.randn(targets, 4, generator=generator) + shift
