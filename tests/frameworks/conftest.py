"""Each example is run once as it is, for all tests that compare a recorded one with it."""

import functools

import pytest

from tests.acceptance.examples import EXAMPLES, plain


@pytest.fixture(scope="session")
def unwatched(tmp_path_factory):
    """Called with an example's name: the folder where it ran as it is."""

    @functools.cache
    def folder(example):
        made = tmp_path_factory.mktemp(f"{example}-plain")
        done = plain(EXAMPLES / "frameworks" / f"{example}.py", cwd=made)
        assert done.returncode == 0, done.stderr
        return made

    return folder
