"""A plugin that writes the report to one more file: for whoever runs pytest and reads the report.

`--report-json` is the user's, who may give it as well, on the command line or in the ini file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from harness.options import REPORT_COPY, STAGED


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, which are of no use to a user.

    The second says that what is compared is not in its place yet: no command will find it again.
    """
    parser.addoption(REPORT_COPY, dest="freezeproof_report_copy", help=argparse.SUPPRESS)
    parser.addoption(STAGED, dest="freezeproof_staged", action="store_true", help=argparse.SUPPRESS)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report."""
    from harness.report.json_text import write_report
    from harness.suite.run import RUN

    config = session.config
    run = config.stash.get(RUN, None)
    if run is not None and not hasattr(config, "workerinput"):
        path = Path(config.getoption("freezeproof_report_copy"))
        path.write_text(write_report(run.report()), encoding="utf-8")
