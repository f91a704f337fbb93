"""pytest -p parts --part=K/N: the K-th of N parts of what was collected.

A part is a stretch of neighbours, because those share their fixtures.
"""
import pytest

EMPTY = pytest.StashKey[bool]()


def pytest_addoption(parser):
    parser.addoption("--part", default="1/1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    part, parts = map(int, config.getoption("part").split("/"))
    first, end = (len(items) * i // parts for i in (part - 1, part))
    others = items[:first] + items[end:]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = items[first:end]
    config.stash[EMPTY] = bool(others) and not items


def pytest_sessionfinish(session, exitstatus):
    """Fewer tests than parts are no failure; a file without a test is one."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and \
            session.config.stash.get(EMPTY, False):
        session.exitstatus = pytest.ExitCode.OK
