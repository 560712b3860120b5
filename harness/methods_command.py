"""The command `freezeproof methods`: the export methods, and what each does."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from rich.text import Text

from harness import console
from harness.exporters.registry import method_summaries
from harness.report.page import Column, Page

SCHEMA = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the one option."""
    parser.add_argument("--json", action="store_true", help="print the methods as JSON")


def run_methods(known: argparse.Namespace) -> int:
    """Print the methods and return the exit code."""
    with contextlib.redirect_stdout(sys.stderr):  # what methods of others print when imported
        summaries = method_summaries()
    if known.json:
        methods = [{"name": name, "summary": said} for name, said in summaries.items()]
        console.write(json.dumps({"schema": SCHEMA, "methods": methods}, indent=2))
        return 0
    page = Page(width=console.width(), color=console.is_colored(sys.stdout))
    columns = [Column(heading=""), Column(heading="")]
    rows = [[Text(name, style="bold"), Text(said)] for name, said in summaries.items()]
    page.table(columns, rows, indent=0)
    console.write(str(page))
    return 0
