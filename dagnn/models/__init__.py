"""Networks: an encoder turns a batch into a latent, a head turns the latent into a prediction.

To add an encoder or a head, write it in a file of its own and add one line to
the table below; the law tests then run on it.
"""

from types import MappingProxyType
from typing import Any

from dagnn.models.ensemble import Ensemble
from dagnn.models.graph import GraphEncoder
from dagnn.models.heads import MomentsHead, SignedMomentsHead
from dagnn.models.network import Network
from dagnn.models.published import load_published, published_linking_radius
from dagnn.models.spectrum import SpectrumEncoder

# An encoder is built as ENCODERS[name](dataset.sizes, **options).
ENCODERS: MappingProxyType[str, type[Any]] = MappingProxyType(
    {"graph": GraphEncoder, "spectrum": SpectrumEncoder}
)

# A head is built as HEADS[name](encoder.width, number_of_parameters, **options).
HEADS: MappingProxyType[str, type[Any]] = MappingProxyType(
    {"moments": MomentsHead, "published": SignedMomentsHead}
)

__all__ = [
    "ENCODERS",
    "HEADS",
    "Ensemble",
    "GraphEncoder",
    "MomentsHead",
    "Network",
    "SignedMomentsHead",
    "SpectrumEncoder",
    "load_published",
    "published_linking_radius",
]
