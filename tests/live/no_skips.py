"""A pytest plugin: where everything is required, a skipped test is a failure.

``scripts/test`` loads it with ``-p``; it acts with ``OIDC_BRIDGE_TEST_REQUIRE_ALL=1`` only.
"""

import os

import pytest

REQUIRE_ALL = os.environ.get("OIDC_BRIDGE_TEST_REQUIRE_ALL") == "1"
skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        skipped.append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if REQUIRE_ALL and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REQUIRE_ALL and skipped:
        terminalreporter.section("skipped, but required", red=True)
        for nodeid in skipped:
            terminalreporter.line(nodeid)
