"""What networks see in images: latents, class probabilities, Grad-CAM maps, church windows.

An ensemble counts as one network, the mixture of its members: its latent is theirs side by
side, its feature maps are theirs one after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dagnn.nn import mixture
from dagnn.records import FloatArray, IntArray, Logits, Output

Look = Callable[[Tensor], Output]
"""Images ``[B, C, H, W]`` → output with latents and class scores."""


def looking(network: nn.Module, domain: int | None) -> Look:
    """Return a network as a function of images, in the mode that it is in.

    Args:
        network: ``batch → Output``, or an ensemble.
        domain: number of the domain whose statistics it shall use.
    """

    def look(images: Tensor) -> Output:
        return mixture(network(SimpleNamespace(x=images, domain=domain)))

    return look


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
    outputs = [look(part) for part in torch.split(images, chunk)]
    latent = torch.cat([output.latent for output in outputs])
    return latent, torch.cat([probabilities(output) for output in outputs])


def _members(network: nn.Module) -> list[Any]:
    """Return the members of an ensemble, each as a network, or the network itself."""
    several: Any = network
    count = getattr(network, "member_count", None)
    return [network] if count is None else [several.member(i) for i in range(count)]


def deciding(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a function of latents ``[n, W]``: log-probabilities of classes ``[n, K]``.

    Args:
        network: with a ``head`` that gives class scores, or an ensemble of such networks.
    """
    members = _members(network)

    def decide(latent: Tensor) -> Tensor:
        parts = latent.reshape(len(latent), len(members), -1).movedim(1, 0)
        logits = [member.head(part).logits for member, part in zip(members, parts, strict=True)]
        return probabilities(mixture(Output(parts, Logits(torch.stack(logits))))).log()

    return decide


def has_maps(network: nn.Module) -> bool:
    """Return whether a network has feature maps."""
    return hasattr(network.encoder, "maps") and hasattr(network.encoder, "gather")


def stages(
    network: nn.Module, domain: int | None
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Split a network at its last feature maps.

    Args:
        network: with an ``encoder`` that has ``maps(batch)`` and ``gather(maps, domain)``,
            and a ``head`` that gives class scores; or an ensemble of such networks.
        domain: number of the domain whose statistics it shall use.

    Returns:
        Images ``[B, C, H, W]`` → last feature maps ``[B, C', h, w]``, and these → class
        scores ``[B, K]``, the mean of members.

    Raises:
        TypeError: the encoder has no feature maps.
    """
    if not has_maps(network):
        raise TypeError(f"{type(network.encoder).__name__} has no feature maps to look at.")
    members = _members(network)

    def maps(images: Tensor) -> Tensor:
        batch = SimpleNamespace(x=images, domain=domain)
        return torch.cat([member.encoder.maps(batch) for member in members], 1)

    def scores(found: Tensor) -> Tensor:
        parts = zip(members, found.chunk(len(members), 1), strict=True)
        return torch.stack(
            [member.head(member.encoder.gather(part, domain)).logits for member, part in parts]
        ).mean(0)

    return maps, scores


def grad_cam(network: nn.Module, domain: int | None, images: Tensor, classes: Tensor) -> Tensor:
    r"""Return a map of what speaks for one class of each image.

    .. math:: M = \mathrm{ReLU} \Big( \sum_c \alpha_c A_c \Big), \quad
              \alpha_c = \Big\langle \frac{\partial a_k}{\partial A_c} \Big\rangle_{xy}

    with the score ``a_k`` of the class before softmax and the last feature maps ``A``.

    Args:
        network: as in :func:`stages`, in evaluation mode.
        domain: number of the domain whose statistics it shall use.
        images: ``[B, C, H, W]``.
        classes: which class of each image, ``[B]``.

    Returns:
        ``[B, H, W]``, each map scaled to a largest value of one (or zero everywhere,
        where nothing speaks for the class).

    References:
        Selvaraju et al. 2017, arXiv:1610.02391, eqs. 1 and 2.
    """
    to_maps, to_scores = stages(network, domain)
    with torch.enable_grad():
        maps = to_maps(images).detach().requires_grad_()
        chosen = to_scores(maps).gather(1, classes[:, None].to(images.device))
        (slope,) = torch.autograd.grad(chosen.sum(), maps)
    heat = (slope.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True).relu()
    heat = functional.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False)
    largest = heat.amax((1, 2, 3), keepdim=True)
    return (heat / torch.where(largest > 0, largest, torch.ones_like(largest)))[:, 0]


@dataclass(frozen=True)
class ChurchWindow:
    """Decisions on a plane, in units of the latent.

    Attributes:
        across: positions along the direction of the noise, ``[r]``; the image is at zero.
        up: positions perpendicular to it, towards the attacked image, ``[r]``.
        classes: the class of each point, rows upwards, ``[r, r]``.
        noisy: where the noisy image lies, ``(across, 0)``.
        attacked: where the attacked image lies, ``(across, up)``.
    """

    across: FloatArray
    up: FloatArray
    classes: IntArray
    noisy: tuple[float, float]
    attacked: tuple[float, float]


@torch.no_grad()
def church_window(
    head: Callable[[Tensor], Tensor],
    origin: Tensor,
    noisy: Tensor,
    attacked: Tensor,
    *,
    resolution: int = 101,
    margin: float = 1.6,
) -> ChurchWindow:
    """Look at the plane through an image, the same with noise, and the same after an attack.

    Args:
        head: latents ``[n, W]`` → class scores ``[n, K]``.
        origin: latent of the image, ``[W]``.
        noisy: latent of the noisy image, ``[W]``.
        attacked: latent of the attacked image, ``[W]``.
        resolution: points along each side ``r``.
        margin: how far the window reaches, in units of the farther of both points.

    References:
        Warde-Farley & Goodfellow 2016, in Perturbations, Optimization, and Statistics;
        Ćiprijanović et al. 2022, arXiv:2112.14299.
    """
    noise, attack = noisy - origin, attacked - origin
    first = _unit(noise)
    along = attack @ first
    second = _unit(attack - along * first)
    rise = attack @ second
    places = {"noisy": (float(noise @ first), 0.0), "attacked": (float(along), float(rise))}
    farthest = max(max(map(abs, place)) for place in places.values()) or 1.0
    side = torch.linspace(-1, 1, resolution).to(origin) * margin * farthest
    plane = origin + side[None, :, None] * first + side[:, None, None] * second
    decided = head(plane.flatten(0, 1)).argmax(1).view(resolution, resolution)
    axis = side.double().cpu().numpy()
    return ChurchWindow(axis, axis, decided.cpu().numpy().astype(np.int64), **places)


def _unit(direction: Tensor) -> Tensor:
    """Return a direction of length one; zero stays zero."""
    length = direction.norm()
    return direction / torch.where(length > 0, length, torch.ones_like(length))
