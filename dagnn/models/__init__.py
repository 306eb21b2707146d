"""Networks: an encoder turns a batch into a latent, a head turns the latent into a prediction.

To add an encoder or a head, write it in a file of its own and add one line to
the table below; the law tests then run on it.
"""

from typing import Any

from dagnn.models.ensemble import Ensemble
from dagnn.models.graph import GraphEncoder
from dagnn.models.heads import ClassHead, MomentsHead, PrototypeHead, SignedMomentsHead
from dagnn.models.image import DeepMergeEncoder, SiddaEncoder, SurveyEncoder
from dagnn.models.network import Network
from dagnn.models.published import load_published, published_linking_radius
from dagnn.models.resnet import ResNet18Encoder, ResNet50Encoder
from dagnn.models.spectrum import SpectrumEncoder

# An encoder is built as ENCODERS[name](dataset.sizes, **options).
ENCODERS: dict[str, type[Any]] = {
    "graph": GraphEncoder,
    "spectrum": SpectrumEncoder,
    "image": SurveyEncoder,
    "deepmerge": DeepMergeEncoder,
    "sidda": SiddaEncoder,
    "resnet18": ResNet18Encoder,
    "resnet50": ResNet50Encoder,
}

# A head is built as HEADS[name](width=, parameters=, **options) where it predicts physical
# parameters, and as HEADS[name](width=, classes=, **options) where it predicts classes.
HEADS: dict[str, type[Any]] = {
    "moments": MomentsHead,
    "published": SignedMomentsHead,
    "classes": ClassHead,
    "prototypes": PrototypeHead,
}

__all__ = [
    "ENCODERS",
    "HEADS",
    "ClassHead",
    "DeepMergeEncoder",
    "Ensemble",
    "GraphEncoder",
    "MomentsHead",
    "Network",
    "PrototypeHead",
    "ResNet18Encoder",
    "ResNet50Encoder",
    "SiddaEncoder",
    "SignedMomentsHead",
    "SpectrumEncoder",
    "SurveyEncoder",
    "load_published",
    "published_linking_radius",
]
