"""Results to one offline HTML file; knows the protocol and no analysis."""

from lrinterp.report.page import page, write_report

__all__ = ["page", "write_report"]
