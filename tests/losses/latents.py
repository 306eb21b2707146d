"""Gaussian latents of two domains, for the tests of this room."""

import torch
from torch import Tensor

from dagnn.records import Moments, Output, Pair


def make_pair(source: Tensor, target: Tensor, progress: float = 0.5) -> Pair:
    def output(latent: Tensor) -> Output:
        return Output(latent, Moments(latent[:, :1], latent[:, :1].abs() + 1))

    return Pair(
        source=output(source),
        target=output(target),
        labels=torch.zeros(len(source), 1, dtype=source.dtype),
        progress=progress,
        target_index=torch.arange(len(target)),
        source_domain=torch.zeros(len(source), dtype=torch.long),
        target_domain=torch.ones(len(target), dtype=torch.long),
    )


def samples(shift: float, sources: int = 200, targets: int = 200) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    source = torch.randn(sources, 4, generator=generator)
    return source, torch.randn(targets, 4, generator=generator) + shift
