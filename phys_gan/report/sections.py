"""Which figures the report has, section by section."""

from __future__ import annotations

from phys_gan.report.observable_sections import (
    along_layers_section,
    observables_section,
    response_section,
    slices_section,
)
from phys_gan.report.point_sections import points_section
from phys_gan.report.section import Section
from phys_gan.report.style import make_looks
from phys_gan.report.tables import Checks
from phys_gan.report.whole_sections import (
    averages_section,
    classifiers_section,
    correlations_section,
    events_section,
)
from phys_gan.validation.comparison import Comparisons

__all__ = ["make_sections"]


def make_sections(comparisons: Comparisons, checks: Checks) -> list[Section]:
    """List the sections that have anything to show, in the order of the page."""
    shown = list(zip(make_looks(list(comparisons)), comparisons.values(), strict=True))
    sections = [
        points_section(shown),
        along_layers_section(shown),
        observables_section(comparisons, shown, checks),
        response_section(shown),
        slices_section(shown),
        correlations_section(shown),
        classifiers_section(shown),
        averages_section(shown),
        events_section(shown),
    ]
    return [section for section in sections if section.drawings or section.text]
