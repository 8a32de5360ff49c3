"""The report: figures and one HTML page with everything inside."""

from phys_gan.validation.report.page import render

__all__ = ["render"]
