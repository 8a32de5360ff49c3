"""The page about what a model does: sections, the table of responses, the card."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from phys_gan.events import Events
from phys_gan.report.events import ramp_figure
from phys_gan.report.maps import Sheet, n_panels, sheet_figure
from phys_gan.report.numbers import Card, Light, whole, with_error
from phys_gan.report.pictures import (
    Drawing,
    Section,
    draw_sections,
    templates,
    versions,
    write_files,
)
from phys_gan.report.tables import Cell, Table
from phys_gan.validation.exploration import Exploration, Mixed, Ramp, Response, meaning_of
from phys_gan.work import Progress

__all__ = ["save_exploration"]

_COLUMNS = 10
_SHOWER_COLUMNS = 8
_LONGEST = 4000


def save_exploration(
    exploration: Exploration,
    directory: str | Path,
    *,
    figures: bool = True,
    report: Progress | None = None,
) -> Path:
    """Write ``index.html``, and every figure as PDF and PNG in the folder ``figures`` beside it.

    Arguments:
        exploration: What to show.
        directory: Folder, made where there is none.
        figures: Whether to write the folder ``figures``.
        report: Called to show progress.

    Returns:
        The path of ``index.html``.

    Raises:
        OutputError: The folder cannot be written.
    """
    sections = draw_sections(_sections(exploration), files=figures, report=report)
    page = (
        templates()
        .get_template("explore.html.j2")
        .render(
            detector=exploration.detector,
            card=_card(exploration),
            sections=sections,
            responses=_responses(exploration),
            provenance=_provenance(exploration),
            versions=versions() | {"seed": str(exploration.seed)},
        )
    )
    return write_files(Path(directory), page, sections)


def _sections(exploration: Exploration) -> list[Section]:
    sections = [_events(exploration), _sweeps(exploration), _walks(exploration)]
    if exploration.mixed is not None:
        sections.append(_styles(exploration.mixed))
    return [section for section in sections if section.drawings]


def _sweeps(exploration: Exploration) -> Section:
    text = (
        "One condition runs over the whole range of the training events, the others stay at their "
        f"middle, and the same {whole(exploration.n)} latents are used at every value, so that "
        "nothing else changes."
    )
    drawings = [
        Drawing(
            ramp.name,
            _ramp_caption(ramp),
            partial(ramp_figure, ramp),
            wide=True,
            is_map=True,
        )
        for ramp in exploration.ramps
    ]
    return Section("sweeps", "Condition sweeps", text, drawings)


def _ramp_caption(ramp: Ramp) -> str:
    above = "Above, events of one and the same latents."
    if not ramp.responses:
        return (
            f"{above} Nothing that is measured in '{ramp.events.detector.name}' answers to "
            f"{ramp.name}."
        )
    return " ".join([above, *(ramp.verdict(response) for response in ramp.responses)])


def _events(exploration: Exploration) -> Section:
    events = exploration.events
    columns = _SHOWER_COLUMNS if events.detector.kind == "calorimeter" else _COLUMNS
    cuts = [slice(begin, begin + columns) for begin in range(0, len(events), columns)]
    titles = _energies(events)
    sheet = Sheet(
        events.detector,
        [list(events.cells[cut]) for cut in cuts],
        [titles[cut] for cut in cuts] if titles else (),
    )
    caption = (
        "Generated events of random latents, under conditions drawn independently over their "
        f"ranges{_panels(events)}. All are in the colours at the right."
    )
    drawing = Drawing("generated events", caption, partial(sheet_figure, sheet), True, True)
    return Section("events", "Generated events", "", [drawing])


def _walks(exploration: Exploration) -> Section:
    walks = exploration.walks
    detector = exploration.detector
    sheet = Sheet(detector, [list(walk.cells) for walk in walks])
    caption = (
        "Each row walks on a sphere from one random latent to another under the same conditions, "
        "all at their middle. Latents of single cells, where there are any, stay the same. "
        "What changes is what the conditions leave open; it should change smoothly."
    )
    drawing = Drawing("latent walks", caption, partial(sheet_figure, sheet), True, True)
    return Section("walks", "Latent walks", "", [drawing])


def _styles(mixed: Mixed) -> Section:
    detector, columns = mixed.events.detector, len(mixed.fine)
    rows = [[None, *mixed.fine.cells]]
    for i, source in enumerate(mixed.coarse.cells):
        rows.append([source, *mixed.events.cells[i * columns : (i + 1) * columns]])
    names = ["", *["coarse"] * len(mixed.coarse)]
    titles = [["", *["fine"] * columns], *[[""] * (columns + 1)] * len(mixed.coarse)]
    caption = (
        f"The first {mixed.layer} of {mixed.n_layers} layers, the coarse ones, have the styles of "
        "the event at the left, the others those of the event at the top. Noise is that of the "
        "event at the left; all conditions are at their middle."
    )
    sheet = Sheet(detector, rows, titles, names, margin=True)
    drawing = Drawing("mixed styles", caption, partial(sheet_figure, sheet), True, True)
    return Section("styles", "Style mixing", "", [drawing])


def _energies(events: Events) -> list[str]:
    """Return what stands above each shower: its incident energy."""
    if "energy" not in events.conditions:
        return []
    meaning = meaning_of(events.detector, "energy")
    return [meaning.text(energy) for energy in events.energy]


def _panels(events: Events) -> str:
    """Say what the maps of an event are."""
    detector = events.detector
    names = ", ".join(layer.name or str(k) for k, layer in enumerate(detector.layers))
    if n_panels(detector) < detector.n_layers:
        return ": depth from left to right, summed around the axis (or along y)"
    if detector.n_layers == 1:
        return ""
    parts = "layers" if detector.kind == "calorimeter" else "bands"
    return f": from top to bottom, {parts} {names}"


def _card(exploration: Exploration) -> Card:
    good = not exploration.failures
    lines = [
        f"Measured on {whole(exploration.n)} latents at each value of a condition. A response is "
        "good when it never falls by more than two standard errors from one value to the next, "
        "and is larger at the end."
    ]
    findings = [(ramp.name, ramp.verdict(response)) for ramp, response in exploration.failures]
    findings += [(name, "Nothing that is measured answers.") for name in exploration.unanswered]
    findings += [(name, "One value in all training events.") for name in exploration.constant]
    light = Light.GREEN if good else Light.RED
    if not exploration.responses:
        light, lines = Light.AMBER, []
    return Card("", light, exploration.headline, lines, findings, [])


def _responses(exploration: Exploration) -> Table | None:
    heads = [
        ("condition", ""),
        ("measured", ""),
        ("range", "Of the condition among the training events"),
        ("at the low end", "Mean response and its standard error"),
        ("at the high end", "Mean response and its standard error"),
        ("Spearman", "Rank correlation between the mean response and the condition"),
        ("monotonic", "Never falls by more than two standard errors"),
        ("verdict", ""),
    ]
    rows = [(ramp.name, _response(ramp, response)) for ramp, response in exploration.responses]
    return Table(heads, rows) if rows else None


def _response(ramp: Ramp, response: Response) -> list[Cell]:
    f, unit = response.followed, response.observable.unit
    low, high = ramp.number(ramp.range.low), ramp.text(ramp.range.high)
    verdict = "follows" if response.good else "does not follow" if not f.responds else "falls"
    if not f.measured:
        verdict = "not measured everywhere"
    light = Light.GREEN if response.good else Light.RED
    return [
        Cell(response.observable.name, is_text=True),
        Cell(f"{low} to {high}"),
        *(
            Cell(f"{with_error(mean, error)} {unit}".rstrip(), sort=float(np.nan_to_num(mean)))
            for mean, error in zip(f.mean[[0, -1]], f.error[[0, -1]], strict=True)
        ),
        Cell(f"{f.spearman:.3f}" if np.isfinite(f.spearman) else "not defined"),
        Cell("yes" if f.monotonic else "no"),
        Cell(verdict, light=light, is_text=True),
    ]


def _provenance(exploration: Exploration) -> Table:
    rows = [
        (name, [Cell(text[:_LONGEST], is_text=True)])
        for name, text in exploration.provenance.items()
    ]
    rows = rows or [("made by", [Cell("not recorded", is_text=True)])]
    return Table([("", ""), ("model", "")], rows, sortable=False)
