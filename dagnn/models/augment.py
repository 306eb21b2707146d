"""Augmentation that keeps labels: the sky has no preferred direction."""

import torch
from torch import Tensor, nn


class Augment(nn.Module):
    """Flip and turn every image at random in training; the identity in evaluation.

    Each image draws its own element of the symmetry group of the square (four quarter
    turns, with and without a flip), or of the rectangle (half turn and flips). Like
    dropout it draws from torch's generator, so a resumed run sees the same turns.

    Args:
        height: pixels ``H``.
        width: pixels ``W``.

    Example:
        >>> turned = Augment(2, 2)(torch.arange(4.0).reshape(1, 1, 2, 2))
        >>> sorted(turned.flatten().tolist())
        [0.0, 1.0, 2.0, 3.0]
    """

    maps: Tensor
    # The same in every member of an ensemble, which need not copy it.
    input_statistics = ("maps",)

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("maps", symmetries(height, width), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return images ``[B, C, H, W]``, in training each in an orientation of its own."""
        if not self.training:
            return images
        drawn = torch.randint(len(self.maps), (len(images),), device=images.device)
        source = self.maps[drawn][:, None].expand(-1, images.shape[1], -1)
        return images.flatten(2).gather(2, source).view_as(images)

    def extra_repr(self) -> str:
        """Tell the number of orientations."""
        return f"orientations={len(self.maps)}"


def symmetries(height: int, width: int) -> Tensor:
    """Return where each pixel comes from under every symmetry, ``[8 or 4, H · W]``."""
    pixels = torch.arange(height * width).reshape(height, width)
    turns = range(4) if height == width else (0, 2)
    turned = [pixels.rot90(quarter) for quarter in turns]
    return torch.stack([view.flatten() for turn in turned for view in (turn, turn.flip(1))])
