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


def looking(network: nn.Module, domain: int | None) -> Look:
    """Return a network as a function of images, in the mode that it is in.

    Args:
        network: ``batch → Output``; an ensemble looks as the mixture of its members.
        domain: number of the domain whose statistics it shall use.
    """

    def look(images: Tensor) -> Output:
        return mixture(network(SimpleNamespace(x=images, domain=domain)))

    return look


class Stages(NamedTuple):
    """A network of images in parts; an ensemble is the wide network of all its members.

    Attributes:
        maps: images ``[B, C, H, W]`` → last feature maps ``[B, C', h, w]``, those of
            members one after the other.
        scores: feature maps → class scores ``[B, K]``, the mean of members.
    """

    maps: Callable[[Tensor], Tensor]
    scores: Callable[[Tensor], Tensor]


def members_of(network: nn.Module) -> list[nn.Module]:
    """Return the members of an ensemble, each as a network, or the network itself."""
    several: Any = network
    count = getattr(network, "member_count", None)
    return [network] if count is None else [several.member(i) for i in range(count)]


def has_maps(network: nn.Module) -> bool:
    """Tell whether a network has feature maps to look at."""
    return hasattr(network.encoder, "maps") and hasattr(network.encoder, "gather")


def stages(network: nn.Module, domain: int | None) -> Stages:
    """Split a network at its last feature maps.

    Args:
        network: with an ``encoder`` that has ``maps(batch)`` and ``gather(maps, domain)``,
            and a ``head`` that gives class scores; or an ensemble of such networks.
        domain: number of the domain whose statistics it shall use.

    Raises:
        TypeError: the encoder has no feature maps.
    """
    if not has_maps(network):
        raise TypeError(f"{type(network.encoder).__name__} has no feature maps to look at.")
    members: list[Any] = members_of(network)

    def maps(images: Tensor) -> Tensor:
        batch = SimpleNamespace(x=images, domain=domain)
        return torch.cat([member.encoder.maps(batch) for member in members], 1)

    def scores(found: Tensor) -> Tensor:
        parts = zip(members, found.chunk(len(members), 1), strict=True)
        return torch.stack(
            [member.head(member.encoder.gather(part, domain)).logits for member, part in parts]
        ).mean(0)

    return Stages(maps, scores)


def deciding(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return what a network makes of latents, be they those of images or not.

    Args:
        network: with a ``head`` that gives class scores; or an ensemble, whose latents lie
            side by side.

    Returns:
        Latents ``[n, W]`` → log-probabilities of classes ``[n, K]``.
    """
    members: list[Any] = members_of(network)

    def decide(latent: Tensor) -> Tensor:
        parts = latent.reshape(len(latent), len(members), -1).movedim(1, 0)
        logits = [member.head(part).logits for member, part in zip(members, parts, strict=True)]
        return probabilities(mixture(Output(parts, Logits(torch.stack(logits))))).log()

    return decide


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
