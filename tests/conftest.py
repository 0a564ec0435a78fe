"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

import pytest

# Tests neither read nor fill the caches of whoever runs them. Set before gradc is imported anywhere.
_caches = tempfile.mkdtemp(prefix="gradc-tests-")
atexit.register(shutil.rmtree, _caches, ignore_errors=True)
os.environ["GRADC_CACHE_DIR"] = _caches


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite expected texts; read the diff before committing"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
