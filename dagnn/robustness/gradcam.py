"""Grad-CAM: which parts of an image speak for a class."""

import torch
from torch import Tensor
from torch.nn import functional

from dagnn.robustness.images import Stages


def grad_cam(parts: Stages, images: Tensor, classes: Tensor) -> Tensor:
    r"""Return a map of what speaks for one class of each image.

    .. math:: M = \mathrm{ReLU} \Big( \sum_c \alpha_c A_c \Big), \quad
              \alpha_c = \Big\langle \frac{\partial a_k}{\partial A_c} \Big\rangle_{xy}

    with the score ``a_k`` of the class before softmax and the feature maps ``A``.

    Args:
        parts: the network, split at its last feature maps, in evaluation mode.
        images: ``[B, C, H, W]``.
        classes: which class of each image, ``[B]``.

    Returns:
        ``[B, H, W]``, each map scaled to a largest value of one (or zero everywhere,
        where nothing speaks for the class).

    References:
        Selvaraju et al. 2017, arXiv:1610.02391, eqs. 1 and 2.
    """
    with torch.enable_grad():
        maps = parts.maps(images).detach().requires_grad_()
        chosen = parts.scores(maps).gather(1, classes[:, None].to(images.device))
        (slope,) = torch.autograd.grad(chosen.sum(), maps)
    heat = (slope.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True).relu()
    heat = functional.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False)
    largest = heat.amax((1, 2, 3), keepdim=True)
    return (heat / torch.where(largest > 0, largest, torch.ones_like(largest)))[:, 0]
