"""Which figures the report has, section by section.

Sections about single observables: along the layers, one by one, response, slices.

Sections about whole events: correlations, classifiers, average showers, single events.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.observables import MANY_LAYERS, OBSERVABLES
from phys_gan.report import averages
from phys_gan.report.averages import average_figure, chosen_layers, mean_image_figure
from phys_gan.report.correlations import (
    Judged,
    calibration_figure,
    cell_figure,
    matrix_figure,
    roc_figure,
)
from phys_gan.report.events import MOST_MAPS, nearest_figure, random_figure
from phys_gan.report.histograms import Drawn, histogram_figure, layer_figure
from phys_gan.report.numbers import Light, observable_light, severity
from phys_gan.report.pictures import Drawing, Section, Shown
from phys_gan.report.points import points_section
from phys_gan.report.slices import (
    Sliced,
    compared,
    response_figure,
    slice_figure,
    slice_map,
    worst_in_slices,
)
from phys_gan.report.style import Look, make_looks
from phys_gan.report.tables import Checks
from phys_gan.validation.averages import Profiles
from phys_gan.validation.comparison import Comparisons
from phys_gan.validation.distributions import MIN_EVENTS
from phys_gan.validation.gallery import Gallery
from phys_gan.validation.histograms import Histogram

__all__ = [
    "along_layers_section",
    "averages_section",
    "classifiers_section",
    "correlations_section",
    "events_section",
    "make_sections",
    "observables_section",
    "response_section",
    "slices_section",
]

_WORST_LAYERS = 12
_WORST_IN_SLICES = 3
_MOST_ROWS = 40
_MAIN = ("E_tot/E_inc", "flux/flux_in")
"""What a slice shows first, of showers and of images."""


def along_layers_section(shown: Shown) -> Section:
    """Show per-layer observables of many layers together: 45 histograms tell less than one line."""
    drawings = []
    histograms = _histograms(shown)
    families = OBSERVABLES if shown[0][1].detector.n_layers > MANY_LAYERS else {}
    for family, definition in families.items():
        names = [name for name, h in histograms.items() if h.family == family]
        if len(names) < 2:
            continue
        layers = [_drawn(shown, name) for name in names]
        label = definition.axis_label.replace("{k}", "k")
        what = definition.description.replace("layer {k}", "each layer")
        drawings.append(
            Drawing(
                family.replace("{k}", "k"),
                f"{what} Band and dotted lines: standard deviation. Below: KS in every layer.",
                partial(layer_figure, layers, [look for look, _ in shown], label),
            )
        )
    return Section("layers", "Observables along the layers", "", drawings)


def observables_section(comparisons: Comparisons, shown: Shown, checks: Checks) -> Section:
    """Show every observable; of many layers only the worst of those that exist per layer."""
    histograms = _histograms(shown)
    ranks = {name: rank for rank, name in enumerate(_worst_first(shown))}
    names = list(histograms)
    if shown[0][1].detector.n_layers > MANY_LAYERS:
        per_layer = [n for n in ranks if histograms[n].layer is not None]
        worst = set(per_layer[:_WORST_LAYERS])
        names = [n for n in names if n in worst or histograms[n].layer is None]
    drawings = []
    for name in sorted(names, key=lambda name: ranks.get(name, len(ranks))):
        drawn = _drawn(shown, name)
        caption = drawn[0][1].description + _undefined_text(drawn)
        lights = [
            observable_light(name, comparison.results[name], checks.get(candidate, ()))
            for candidate, comparison in comparisons.items()
            if name in comparison.results
        ]
        drawings.append(
            Drawing(
                name,
                caption,
                partial(histogram_figure, drawn, len(shown)),
                light=max(lights, key=lambda light: light.rank, default=Light.GREEN),
            )
        )
    text = (
        "Bars are the statistical errors of a candidate, bands those of the reference. Triangles "
        "at the rim mark ratios beyond the panel. What lies outside the axis is written above the "
        "frame or at its rim; it counts in every metric. The worst observables come first."
    )
    return Section("observables", "Observables", text, drawings)


def response_section(shown: Shown) -> Section:
    """Show response and resolution against the incident energy, where it is known."""
    reference = next((c.reference.response for _, c in shown if c.reference.response), None)
    curves = [(look, c.candidate.response) for look, c in shown]
    known = [(look, curve) for look, curve in curves if curve is not None]
    drawings = []
    if reference is not None and known:
        drawings = [
            Drawing(
                "mean and resolution",
                "Mean and resolution (standard deviation over mean) of E_tot/E_inc in bins of "
                "incident energy, with statistical errors. Lines are fits of "
                "σ/E = a/√(E/GeV) ⊕ b.",
                partial(response_figure, reference, known),
                wide=True,
            )
        ]
    return Section("response", "Energy response", "", drawings)


def slices_section(shown: Shown) -> Section:
    """Show what is outside the floor in which slice, and the histograms that matter most."""
    sliced: Sliced = [(look, c.slices) for look, c in shown if c.slices]
    if not sliced:
        return Section("slices", "Slices", "", [])
    ranked = worst_in_slices(sliced)
    known = [name for name in ranked if compared(sliced, name)]
    drawings = []
    if known:
        which = f" The worst {_MOST_ROWS} of {len(known)} are shown." * (len(known) > _MOST_ROWS)
        unknown = f" Compared in no slice: {', '.join(ranked[len(known) :])}."
        drawings = [
            Drawing(
                "all observables",
                "Colour: the largest ratio of any metric to its limit. Number: KS. A triangle "
                "marks what is outside the floor; grey is not compared, because too few events "
                f"define it.{which}{unknown * (len(known) < len(ranked))}",
                partial(slice_map, sliced, known[:_MOST_ROWS]),
                wide=True,
            )
        ]
    main = [name for name in _MAIN if name in ranked]
    worst = [name for name in ranked if name not in (*main, "E_inc")][:_WORST_IN_SLICES]
    for name in (*main, *worst):
        found = [
            part.histograms[name]
            for _, parts in sliced
            for part in parts
            if name in part.histograms
        ]
        if any(h.reference.any() or h.candidate.any() for h in found):
            drawings.append(
                Drawing(name, found[0].description, partial(slice_figure, sliced, name), wide=True)
            )
    conditions = dict.fromkeys(part.cut.condition for part in sliced[0][1] if part.cut is not None)
    what = " and ".join("incident energy" if name == "energy" else name for name in conditions)
    text = (
        "The same comparison in slices, which are judged together as one family. Where either "
        f"sample has fewer than {MIN_EVENTS} events, nothing is compared."
    )
    return Section("slices", f"In slices of {what}", text, drawings)


def _histograms(shown: Shown) -> dict[str, Histogram]:
    """Return a histogram of every observable that any candidate has."""
    found: dict[str, Histogram] = {}
    for _, comparison in shown:
        for name, histogram in comparison.histograms.items():
            found.setdefault(name, histogram)
    return found


def _drawn(shown: Shown, name: str) -> list[Drawn]:
    return [
        (look, c.histograms[name], c.results.get(name, {}))
        for look, c in shown
        if name in c.histograms
    ]


def _worst_first(shown: Shown) -> list[str]:
    severities: dict[str, float] = {}
    for _, comparison in shown:
        for name, results in comparison.results.items():
            severities[name] = max(severity(results), severities.get(name, 0.0))
    return sorted(severities, key=lambda name: -severities[name])


def _undefined_text(drawn: Sequence[Drawn]) -> str:
    first = drawn[0][1].undefined[0]
    others = [f"{h.undefined[1]} of {look.title}" for look, h, _ in drawn]
    if not first and not any(h.undefined[1] for _, h, _ in drawn):
        return ""
    return f" Not defined in {first} events of the reference, {', '.join(others)}."


def correlations_section(shown: Shown) -> Section:
    """Show the correlations between layers and between cells."""
    detector = shown[0][1].detector
    image = detector.is_image
    drawings = []
    matrices = [(k, c.correlations) for k, c in shown if c.correlations is not None]
    if matrices:
        drawings.append(
            Drawing(
                "between bands" if image else "between layers",
                (
                    "Pearson correlations between the fluxes of the bands, and how those of the "
                    "candidates differ."
                    if image
                    else "Pearson correlations between the energies of the layers, over the "
                    "incident energy where it is known, and how those of the candidates differ."
                ),
                partial(matrix_figure, matrices, "band" if image else "layer"),
                wide=True,
            )
        )
    cells = [(k, c.cell_correlations) for k, c in shown if c.cell_correlations is not None]
    if cells:
        drawings.append(
            Drawing(
                "between pixels" if image else "between cells",
                (
                    "Mean correlation between two pixels of one band against the distance of "
                    "their centres; bright pixels count more."
                    if image
                    else "Mean correlation between the energies of two cells of one layer against "
                    "the distance of their centres; bright cells count more."
                ),
                partial(cell_figure, detector, cells),
                wide=True,
            )
        )
    return Section("correlations", "Correlations", "", drawings)


def classifiers_section(shown: Shown) -> Section:
    """Show how well classifiers tell the samples apart."""
    forms = dict.fromkeys(form for _, c in shown for form in c.classifiers)
    judged: Judged = [
        (form, [(look, c.classifiers[form]) for look, c in shown if form in c.classifiers])
        for form in forms
    ]
    drawings = []
    if judged:
        drawings = [
            Drawing(
                "ROC curves",
                "ROC curves, mean and spread of all trainings. On the diagonal the classifier "
                "only guesses: it cannot tell the samples apart.",
                partial(roc_figure, judged),
                wide=True,
            ),
            Drawing(
                "calibration",
                "Observed fraction of candidates against the predicted probability: open as "
                "trained, filled after calibration on other events. On the diagonal the classifier "
                "can be used to reweight the candidate.",
                partial(calibration_figure, judged),
                wide=True,
            ),
        ]
    return Section("classifiers", "Two-sample classifiers", "", drawings)


def averages_section(shown: Shown) -> Section:
    """Show the average shower: its cells, its depth, its radius."""
    detector, reference = shown[0][1].detector, shown[0][1].reference.profiles
    if detector.is_toy:
        return Section("averages", "Average showers", "", [])
    profiles = [(look, c.candidate.profiles) for look, c in shown]
    if detector.is_image:
        return Section("averages", "Mean images", "", [_mean_images(detector, reference, profiles)])
    n_drawn = len(chosen_layers(detector, reference))
    which = f" {n_drawn} of {detector.n_layers} layers, spread over the energy of the shower."
    drawings = [
        Drawing(
            "maps of cells",
            "Mean energy of every cell, and the relative difference. Grey cells are empty; in "
            "the difference also those whose statistical error exceeds the range of colours."
            + which
            * (n_drawn < detector.n_layers),
            partial(average_figure, detector, reference, profiles),
            wide=True,
            is_map=True,
        )
    ]
    if detector.n_layers > 1:
        drawings.append(
            Drawing(
                "longitudinal profile",
                "Mean energy per depth of every layer.",
                partial(averages.longitudinal_figure, detector, reference, profiles),
            )
        )
    for name, layers, text in _radial_groups(detector):
        figure = partial(averages.radial_figure, detector, reference, profiles, layers)
        drawings.append(Drawing(f"radial profile {name}".strip(), text, figure))
    return Section("averages", "Average showers", "", drawings)


def _mean_images(
    detector: Detector, reference: Profiles, profiles: Sequence[tuple[Look, Profiles]]
) -> Drawing:
    return Drawing(
        "mean image",
        "Mean of every pixel on an asinh scale, and the difference over its statistical error: of "
        "equal samples that is noise of unit width, in the sky as in the galaxy.",
        partial(mean_image_figure, detector, reference, profiles),
        wide=True,
        is_map=True,
    )


def events_section(shown: Shown) -> Section:
    """Show random events, and pairs of nearest ones."""
    image = shown[0][1].detector.is_image
    drawings = []
    for look, comparison in shown:
        gallery = comparison.gallery
        if gallery is None:
            continue
        suffix = f" {look.title}" if len(shown) > 1 else ""
        random, nearest = (
            _galaxy_captions(gallery) if image else _shower_captions(comparison.detector)
        )
        drawings += [
            Drawing(
                f"{name}{suffix}",
                caption,
                partial(figure, gallery, look),
                wide=True,
                is_map=True,
            )
            for name, caption, figure in (
                ("random", random, random_figure),
                ("nearest pairs", nearest, nearest_figure),
            )
        ]
    return Section("events", "Single galaxies" if image else "Single events", "", drawings)


def _shower_captions(detector: Detector) -> tuple[str, str]:
    """Return the captions of random events and of nearest pairs."""
    projected = detector.n_layers > MOST_MAPS
    what = "energies summed around the axis (or along y)" if projected else "all layers"
    return (
        "Random events of the reference, and events of the candidate at nearly the same "
        f"incident energies: {what}, in common colours. Grey is empty.",
        "Random events of the candidate, each with the event of the reference that is "
        "nearest to it: the distance between the square roots of their cells, over that "
        "of the incident energy. In brackets, how far that event is from its own nearest "
        "neighbour in the reference; a much smaller distance would be a copy.",
    )


def _galaxy_captions(gallery: Gallery) -> tuple[str, str]:
    """Return the captions of random galaxies and of nearest pairs."""
    known = set(gallery.reference.conditions) & set(gallery.candidate.conditions)
    other = (
        f"the galaxy of the candidate whose conditions ({', '.join(sorted(known))}) are nearest"
        if known
        else "a random one of the candidate"
    )
    return (
        f"Random galaxies of the reference by rising flux; below each, {other}. All stamps "
        "have one asinh scale, linear up to about the noise of the sky.",
        "Random galaxies of the candidate; below each, the galaxy of the reference whose "
        "pixels are nearest. The number is their distance, over the length of the "
        "candidate's pixels; in brackets, how far that galaxy is from its own nearest "
        "neighbour in the reference. A much smaller distance would be a copy; noise alone "
        "keeps different stamps apart.",
    )


def _radial_groups(detector: Detector) -> list[tuple[str, list[int], str]]:
    """Return the polar layers that share their rings, or one by one when there are few of them."""
    polar = {k: layer for k, layer in enumerate(detector.layers) if isinstance(layer, PolarLayer)}
    polar = {k: layer for k, layer in polar.items() if layer.shape[1] > 1}
    if polar and len({layer.r for layer in polar.values()}) == 1:
        return [("", list(polar), "Mean energy per area of the rings, summed over all layers.")]
    return [
        (layer.name, [k], f"Mean energy per area of the rings in layer {layer.name or k}.")
        for k, layer in polar.items()
        if len(polar) <= MANY_LAYERS
    ]


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
