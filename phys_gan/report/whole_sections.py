"""Sections about whole events: correlations, classifiers, average showers, single events."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from phys_gan.detectors import Detector, PolarLayer
from phys_gan.report import profile_plots
from phys_gan.report.classifier_plots import Judged, calibration_figure, roc_figure
from phys_gan.report.correlation_plots import cell_figure, matrix_figure
from phys_gan.report.event_display import MOST_MAPS, nearest_figure, random_figure
from phys_gan.report.images import average_figure, chosen_layers
from phys_gan.report.mean_images import mean_image_figure
from phys_gan.report.pictures import Drawing
from phys_gan.report.section import Section, Shown
from phys_gan.report.style import Look
from phys_gan.validation.gallery import Gallery
from phys_gan.validation.observables import MANY_LAYERS
from phys_gan.validation.profiles import Profiles

__all__ = ["averages_section", "classifiers_section", "correlations_section", "events_section"]


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
                partial(profile_plots.longitudinal_figure, detector, reference, profiles),
            )
        )
    for name, layers, text in _radial_groups(detector):
        figure = partial(profile_plots.radial_figure, detector, reference, profiles, layers)
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
