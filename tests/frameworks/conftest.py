"""The examples are started ahead, as many at a time as there are cores; a plain run serves all tests."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.examples import EXAMPLES, plain


@pytest.fixture(scope="session")
def workers():
    """Threads that wait for the scripts."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield pool


@pytest.fixture(scope="session")
def unwatched(workers, tmp_path_factory):
    """Called with an example's name: the future of the folder where it ran as it is."""

    def ran(example, folder):
        done = plain(EXAMPLES / "frameworks" / f"{example}.py", cwd=folder)
        assert done.returncode == 0, done.stderr
        return folder

    return functools.cache(
        lambda example: workers.submit(ran, example, tmp_path_factory.mktemp(f"{example}-plain"))
    )
