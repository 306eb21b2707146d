"""Residual networks: published sizes and names, weights from files."""

import re
from pathlib import Path

import pytest
import torch

from dagnn.errors import CheckpointError
from dagnn.models import ResNet18Encoder
from dagnn.models.resnet import ResNet, load_published_resnet
from dagnn.records import TensorBatch

SIZES = {"channels": 3, "height": 32, "width": 32}


@pytest.mark.parametrize(("depth", "published"), [(18, 11_689_512), (50, 25_557_032)])
def test_weights_are_as_many_as_published_with_a_thousand_classes(depth, published):
    with torch.device("meta"):
        network = ResNet(depth)
    classifier = 1000 * network.width + 1000
    assert sum(p.numel() for p in network.parameters()) + classifier == published


def test_names_are_those_of_published_files():
    with torch.device("meta"):
        names = set(ResNet(50).state_dict())
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.running_var",
        "layer4.2.bn3.num_batches_tracked",
        "layer3.5.conv2.weight",
    } <= names
    allowed = r"(layer[1-4]\.[0-5]\.)?(conv[123]|bn[123]|downsample\.[01])\.\w+"
    assert all(re.fullmatch(allowed, name) for name in names)
    assert len(names) == 318  # torchvision's resnet50 has 320, with fc.weight and fc.bias


def test_bottleneck_takes_its_stride_in_the_middle():
    block = ResNet(50).get_submodule("layer2.0")
    assert (block.conv1.stride, block.conv2.stride) == ((1, 1), (2, 2))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    network = ResNet(18).eval()
    state = {name: value + 0.01 for name, value in network.state_dict().items()}
    state |= {"fc.weight": torch.full((1000, 512), torch.nan), "fc.bias": torch.zeros(1000)}
    torch.save(state, tmp_path / "resnet18.pth")
    return tmp_path / "resnet18.pth"


@pytest.mark.parametrize("domains", [1, 2])
def test_weights_load_from_a_file_into_every_domain(published, domains):
    encoder = ResNet18Encoder(SIZES, weights=published, domains=domains, width=None)
    stored = torch.load(published, weights_only=True)
    own = encoder.backbone.state_dict()
    assert torch.equal(own["layer3.1.conv2.weight"], stored["layer3.1.conv2.weight"])
    for row in own["bn1.running_mean"].view(-1, 64):
        assert torch.equal(row, stored["bn1.running_mean"])
    assert encoder.width == 512


def test_grey_images_get_the_sum_of_the_colours(published):
    encoder = ResNet18Encoder(SIZES | {"channels": 1}, weights=published).eval()
    colour = ResNet18Encoder(SIZES, weights=published).eval()
    colour.projection.load_state_dict(encoder.projection.state_dict())
    grey = torch.rand(2, 1, 32, 32)
    one = encoder(TensorBatch(grey, torch.zeros(2)))
    other = colour(TensorBatch(grey.expand(-1, 3, -1, -1), torch.zeros(2)))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_wrong_files_are_refused(published, tmp_path):
    with pytest.raises(CheckpointError, match="no such weight file"):
        load_published_resnet(ResNet(18), tmp_path / "absent.pth")
    with pytest.raises(CheckpointError, match="is not such a network"):
        load_published_resnet(ResNet(50), published)
    (tmp_path / "broken.pth").write_bytes(published.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_published_resnet(ResNet(18), tmp_path / "broken.pth")
    state = torch.load(published, weights_only=True)
    torch.save(state | {"layer1.0.conv1.weight": torch.zeros(64, 64, 5, 5)}, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match="other shapes"):
        load_published_resnet(ResNet(18), tmp_path / "odd.pth")
