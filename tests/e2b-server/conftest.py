"""Servers and sandboxes for the tests beside this file.

Tests that do not choose a server of their own run with both kinds of isolation.
"""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402


@pytest.fixture(scope="module", params=["auto", "none"])
def server(request, tmp_path_factory):
    with harness.Server(tmp_path_factory.mktemp("e2b"), "--isolation", request.param) as running:
        yield running
        assert not running.journal("server.error")


@pytest.fixture()
def box(server):
    made = server.create()
    yield made
    server.api("DELETE", f"/sandboxes/{made.id}")


@pytest.fixture(autouse=True)
def clean(server):
    yield
    server.admin("POST", "/reset")
