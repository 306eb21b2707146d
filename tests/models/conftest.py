"""Fixtures that tests of networks share."""

import pytest
import torch


@pytest.fixture
def torch_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
