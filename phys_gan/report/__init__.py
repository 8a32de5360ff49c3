"""The report: figures and one HTML page with everything inside."""

from phys_gan.report.page import render, save_page
from phys_gan.report.single import observables_figure

__all__ = ["observables_figure", "render", "save_page"]
