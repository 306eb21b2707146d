"""Church windows: what a network decides on a plane through three points of its latent."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dagnn.records import FloatArray, IntArray


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
    """Return a direction of length one; no direction stays none."""
    length = direction.norm()
    return direction / torch.where(length > 0, length, torch.ones_like(length))
