"""What the samples of a loss have to be; broadcasting would hide what they are not."""

from torch import Tensor

from dagnn.errors import UsageError


def require_samples(
    loss: str, source: Tensor, target: Tensor, least: int = 1, remedy: str = "Use larger batches."
) -> None:
    """Refuse two samples that no distance is defined for.

    Args:
        loss: how messages call what reads them.
        source: ``[n, W]``.
        target: ``[m, W]``.
        least: items of each that it takes.
        remedy: what to do about too few.

    Raises:
        UsageError: a sample has too few items, or they have different widths.
    """
    if min(len(source), len(target)) < least:
        raise UsageError(
            f"{loss} needs at least {least} source and {least} target items in a batch, got "
            f"{len(source)} and {len(target)}. {remedy}"
        )
    if source.shape[1:] != target.shape[1:]:
        raise UsageError(
            f"{loss} compares items of one width, got source {list(source.shape)} and target "
            f"{list(target.shape)}. Take the latents of one encoder."
        )


def require_items(loss: str, target: Tensor) -> None:
    """Refuse a batch without target items.

    Args:
        loss: how messages call what reads them.
        target: ``[m, ...]``.

    Raises:
        UsageError: there is none.
    """
    if not len(target):
        raise UsageError(f"{loss} needs target items in a batch, got none. Use larger batches.")


def require_alike(loss: str, prediction: Tensor, truth: Tensor) -> None:
    """Refuse a truth that is not shaped like what predicts it.

    Args:
        loss: how messages call what reads them.
        prediction: ``[B, P]``.
        truth: ``[B, P]``.

    Raises:
        UsageError: the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise UsageError(
            f"{loss} needs one truth for every number that is predicted, got predictions "
            f"{list(prediction.shape)} and truth {list(truth.shape)}. One parameter of B items is "
            "[B, 1]."
        )
