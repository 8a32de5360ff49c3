"""The report: figures and one HTML page with everything inside."""

from phys_gan.validation.report.page import render, save_page

__all__ = ["render", "save_page"]
