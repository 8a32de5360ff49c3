"""The report: figures and one HTML page with everything inside."""

from phys_gan.report.histograms import observables_figure
from phys_gan.report.page import render, save, save_page

__all__ = ["observables_figure", "render", "save", "save_page"]
