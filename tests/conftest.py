"""What all tests share."""

from __future__ import annotations

import os
import tempfile

import pytest

# Tests neither read nor fill the caches of whoever runs them. Set before gradc is imported anywhere.
os.environ["GRADC_CACHE_DIR"] = tempfile.mkdtemp(prefix="gradc-tests-")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite expected texts; read the diff before committing"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
