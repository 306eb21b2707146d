"""Fixtures that every room's tests may use."""

import signal
import threading
from pathlib import Path

import pytest
import torch


def find_shared() -> Path | None:
    """Return the folder of real data beside the checkout, if it is there."""
    for parent in Path(__file__).resolve().parents:
        candidate = parent.parent / "shared"
        if (candidate / "camels").is_dir():
            return candidate
    return None


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder with real measurements and reference outputs, or skip."""
    folder = find_shared()
    if folder is None:
        pytest.skip("the folder ../shared with real data is not beside this checkout")
    return folder


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Make every test start from the same random state."""
    torch.manual_seed(0)


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start.

    A shell that starts tests in the background makes them ignore it, and their children too.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if ignored and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
