"""The states of torch's random generators."""

from collections.abc import Mapping

import torch
from torch import Tensor

RandomState = Mapping[str, Tensor]


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the generators that training on a device draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(states: RandomState, device: torch.device) -> None:
    """Let the generators go on from stored states; a state that is not there changes nothing."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
