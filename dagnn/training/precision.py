"""Mixed precision: products of matrices in bfloat16, everything that is summed in float32.

Autocast chooses per operation. Latents and predictions come back in single precision, so that
the objective, its gradients, all statistics, the weights and the optimiser never see bfloat16.
Its range is that of single precision, so losses need no scaling.
"""

import torch

from dagnn.nn import at_least_float32
from dagnn.records import Batch, Output
from dagnn.training.forward import Network

# Name → type that autocast multiplies in; None leaves every operation as it is.
PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bf16": torch.bfloat16}


class MixedPrecision:
    """A network whose matrices are multiplied in a lower precision.

    Args:
        network: ``batch → Output``.
        kind: type that autocast multiplies in.
        device: type of the device where it is, such as ``cuda``.
    """

    def __init__(self, network: Network, kind: torch.dtype, device: str) -> None:
        self.network = network
        self.kind = kind
        self.device = device

    def __call__(self, batch: Batch) -> Output:
        """Return latent and prediction, both in single precision or better."""
        with torch.autocast(self.device, self.kind):
            latent, prediction = self.network(batch)
        columns = (at_least_float32(column) for column in prediction)
        return Output(at_least_float32(latent), type(prediction)(*columns))


def in_precision(network: Network, precision: str, device: torch.device) -> Network:
    """Return what runs a network in some precision.

    Args:
        network: ``batch → Output``.
        precision: name in :data:`PRECISIONS`; with ``float32`` the network itself is returned.
        device: where it is.
    """
    kind = PRECISIONS[precision]
    return network if kind is None else MixedPrecision(network, kind, device.type)
