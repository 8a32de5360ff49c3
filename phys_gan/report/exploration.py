"""The page of an exploration: its sections, the table of responses, the card, figures of ramps."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from phys_gan.events import Events
from phys_gan.report.maps import (
    Sheet,
    colour_bar,
    draw_event,
    make_palette,
    n_panels,
    name_panels,
    place,
    sheet_figure,
)
from phys_gan.report.numbers import Card, Status, whole, with_error
from phys_gan.report.sections import (
    Plot,
    Section,
    render_sections,
    templates,
    versions,
    write_files,
)
from phys_gan.report.style import Style, make_styles
from phys_gan.report.tables import Cell, Table
from phys_gan.validation.exploration import Exploration, Mixed, Ramp, Response, meaning_of
from phys_gan.work import Progress

_COLUMNS = 10
_SHOWER_COLUMNS = 8
_LONGEST = 4000


def save_exploration(
    exploration: Exploration,
    directory: str | Path,
    *,
    figures: bool = False,
    report: Progress | None = None,
) -> Path:
    """Write ``index.html``, and every figure as PDF and PNG in the folder ``figures`` beside it.

    Raises:
        OutputError: The folder cannot be written.
    """
    sections = render_sections(_sections(exploration), files=figures, report=report)
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
    return [section for section in sections if section.plots]


def _sweeps(exploration: Exploration) -> Section:
    text = (
        "One condition runs over the whole range of the training events, the others stay at their "
        f"middle, and the same {whole(exploration.n)} latents are used at every value, so that "
        "nothing else changes."
    )
    plots = [
        Plot(
            ramp.name,
            _ramp_caption(ramp),
            partial(ramp_figure, ramp),
            wide=True,
            is_map=True,
        )
        for ramp in exploration.ramps
    ]
    return Section("sweeps", "Condition sweeps", text, plots)


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
    titles: list[str] = []
    if "energy" in events.conditions:
        meaning = meaning_of(events.detector, "energy")
        titles = [meaning.text(energy) for energy in events.energy]
    sheet = Sheet(
        events.detector,
        [list(events.cells[cut]) for cut in cuts],
        [titles[cut] for cut in cuts] if titles else (),
    )
    caption = (
        "Generated events of random latents, under conditions drawn independently over their "
        f"ranges{_panels(events)}. All are in the colours at the right."
    )
    return _sheet_section("events", "Generated events", "generated events", caption, sheet)


def _walks(exploration: Exploration) -> Section:
    sheet = Sheet(exploration.detector, [list(walk.cells) for walk in exploration.walks])
    caption = (
        "Each row walks on a sphere from one random latent to another under the same conditions, "
        "all at their middle. Latents of single cells, where there are any, stay the same. "
        "What changes is what the conditions leave open; it should change smoothly."
    )
    return _sheet_section("walks", "Latent walks", "latent walks", caption, sheet)


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
    return _sheet_section("styles", "Style mixing", "mixed styles", caption, sheet)


def _sheet_section(key: str, title: str, name: str, caption: str, sheet: Sheet) -> Section:
    plot = Plot(name, caption, partial(sheet_figure, sheet), wide=True, is_map=True)
    return Section(key, title, "", [plot])


def _panels(events: Events) -> str:
    """Return in words what the maps of an event are."""
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
    status = Status.GREEN if good else Status.RED
    if not exploration.responses:
        status, lines = Status.AMBER, []
    return Card("", status, exploration.headline, lines, findings, [])


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
    status = Status.GREEN if response.good else Status.RED
    return [
        Cell(response.observable.name, is_text=True),
        Cell(f"{low} to {high}"),
        *(
            Cell(f"{with_error(mean, error)} {unit}".rstrip(), sort=float(np.nan_to_num(mean)))
            for mean, error in zip(f.mean[[0, -1]], f.error[[0, -1]], strict=True)
        ),
        Cell(f"{f.spearman:.3f}" if np.isfinite(f.spearman) else "not defined"),
        Cell("yes" if f.monotonic else "no"),
        Cell(verdict, status=status, is_text=True),
    ]


def _provenance(exploration: Exploration) -> Table:
    rows = [
        (name, [Cell(text[:_LONGEST], is_text=True)])
        for name, text in exploration.provenance.items()
    ]
    rows = rows or [("made by", [Cell("not recorded", is_text=True)])]
    return Table([("", ""), ("model", "")], rows, sortable=False)


_WIDTH, _LEFT, _RIGHT = 12.4, 1.2, 1.1
_GAP = 0.06
_TOP, _BETWEEN, _PLOT, _BOTTOM = 0.5, 0.25, 2.5, 0.72
_WIDE = 5.0
_FALL = "#d62728"
_EQUAL = "#777777"


def ramp_figure(ramp: Ramp) -> Figure:
    """Draw the events of one and the same latents along a ramp, and what was measured of many.

    Every picture stands above its value of the condition.
    """
    detector, n, steps = ramp.events.detector, n_panels(ramp.events.detector), len(ramp.values)
    pitch = (_WIDTH - _LEFT - _RIGHT + _GAP) / steps
    side = pitch - _GAP
    plot = (_BETWEEN + _PLOT + _BOTTOM) if ramp.responses else 0.12
    height = _TOP + n * pitch + plot
    figure = Figure(figsize=(_WIDTH, height))
    palette = make_palette([ramp.events])
    for i, value in enumerate(ramp.values):
        panels = [
            place(figure, _LEFT + i * pitch, height - _TOP - (k + 1) * pitch, side, side)
            for k in range(n)
        ]
        draw_event(panels, detector, ramp.events.cells[i], palette)
        if i == 0:
            name_panels(panels, detector)
        panels[0].set_title(ramp.number(value), fontsize=12, pad=4)
    head = (_LEFT - 0.15) / _WIDTH, (height - _TOP - _GAP + 4 / 72) / height
    figure.text(*head, ramp.meaning.axis_label, ha="right", va="baseline", fontsize=12)
    x = _WIDTH - _RIGHT + 0.14
    colour_bar(figure, palette, x, height - _TOP - n * pitch, n * pitch - _GAP)
    if ramp.responses:
        axes = place(figure, _LEFT, _BOTTOM, _WIDTH - _LEFT - _RIGHT, _PLOT)
        edge = side / 2 / pitch
        axes.set_xlim(-edge, steps - 1 + edge)
        _draw_responses(axes, ramp)
    return figure


def _draw_responses(axes: Axes, ramp: Ramp) -> None:
    steps = np.arange(len(ramp.values))
    if ramp.meaning.equal:
        given = ramp.values * ramp.meaning.factor
        axes.plot(steps, given, "--", color=_EQUAL, lw=1.2, label="equal to the condition")
    styles = make_styles([response.observable.name for response in ramp.responses])
    for style, response in zip(styles, ramp.responses, strict=True):
        _draw_response(axes, response, style, several=len(styles) > 1)
    if any(len(response.followed.falls) for response in ramp.responses):
        axes.plot([], [], "-", color=_FALL, lw=3, label="falls by more than 2 errors")
    if _logarithmic(ramp):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.margins(y=0.12)
    axes.autoscale_view(scalex=False)
    axes.set_xticks(steps, [ramp.number(value) for value in ramp.values])
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set_xlabel(ramp.meaning.axis_label, loc="center")
    axes.set_ylabel(ramp.responses[0].observable.axis_label, loc="center")
    axes.legend(loc="best", fontsize=10.5)


def _draw_response(axes: Axes, response: Response, style: Style, *, several: bool) -> None:
    f = response.followed
    steps = np.arange(len(f.mean))
    name = f"{style.name}: " if several else ""
    axes.fill_between(
        steps, f.mean - f.spread, f.mean + f.spread, color=style.colour, alpha=0.2, lw=0
    )
    axes.plot(steps, f.mean, style.line, color=style.colour, lw=1.6)
    axes.errorbar(
        steps,
        f.mean,
        f.error,
        fmt=style.marker,
        ms=5,
        color=style.colour,
        label=f"{name}mean with its error, and spread of the latents",
    )
    for k in f.falls:
        axes.plot(steps[k : k + 2], f.mean[k : k + 2], "-", color=_FALL, lw=3, zorder=3)


def _logarithmic(ramp: Ramp) -> bool:
    """Return whether the response spans as much as its condition does, and is above zero."""
    if not ramp.range.geometric:
        return False
    low = np.concatenate([r.followed.mean - r.followed.spread for r in ramp.responses])
    mean = np.concatenate([r.followed.mean for r in ramp.responses])
    return bool(np.nanmin(low) > 0 and np.nanmax(mean) > _WIDE * np.nanmin(mean))
