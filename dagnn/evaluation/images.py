"""How evaluation looks at plain image tensors through a network."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dagnn.nn import mixture
from dagnn.records import Logits, Output

Look = Callable[[Tensor], Output]
"""Images ``[B, C, H, W]`` → output with latents and class scores."""


def looking(network: nn.Module, domain: int = 0) -> Look:
    """Return a network as a function of images, in the mode that it is in.

    Args:
        network: ``batch → Output``; an ensemble looks as the mixture of its members.
        domain: number of the domain whose statistics it shall use.
    """

    def look(images: Tensor) -> Output:
        return mixture(network(SimpleNamespace(x=images, domain=domain)))

    return look


class Stages(NamedTuple):
    """A network of images in two parts.

    Attributes:
        maps: images ``[B, C, H, W]`` → last feature maps ``[B, C', h, w]``.
        scores: feature maps → class scores ``[B, K]``.
    """

    maps: Callable[[Tensor], Tensor]
    scores: Callable[[Tensor], Tensor]


def stages(network: nn.Module, domain: int = 0) -> Stages:
    """Split a network at its last feature maps.

    Args:
        network: with an ``encoder`` that has ``maps(batch)`` and ``gather(maps, domain)``,
            and a ``head`` that gives class scores. Of an ensemble, take one member.
        domain: number of the domain whose statistics it shall use.

    Raises:
        TypeError: the encoder has no feature maps.
    """
    encoder: Any = network.encoder
    head: Any = network.head
    if not (hasattr(encoder, "maps") and hasattr(encoder, "gather")):
        raise TypeError(f"{type(encoder).__name__} has no feature maps to look at.")

    def maps(images: Tensor) -> Tensor:
        found: Tensor = encoder.maps(SimpleNamespace(x=images, domain=domain))
        return found

    def scores(found: Tensor) -> Tensor:
        logits: Tensor = head(encoder.gather(found, domain)).logits
        return logits

    return Stages(maps, scores)


def probabilities(output: Output) -> Tensor:
    """Return class probabilities ``[B, K]``.

    Raises:
        TypeError: the network predicts moments.
    """
    if not isinstance(output.prediction, Logits):
        raise TypeError(f"Expected class scores, got {type(output.prediction).__name__}.")
    return output.prediction.logits.softmax(-1)


@torch.no_grad()
def look_at(look: Look, images: Tensor, chunk: int = 256) -> tuple[Tensor, Tensor]:
    """Return latents ``[B, W]`` and class probabilities ``[B, K]``, a chunk at a time."""
    seen = [look(part) for part in torch.split(images, chunk)]
    latent = torch.cat([output.latent for output in seen])
    return latent, torch.cat([probabilities(output) for output in seen])
