"""Reports of runs as self-contained HTML."""

from bitket.report.html import render, write_index, write_report

__all__ = ["render", "write_index", "write_report"]
