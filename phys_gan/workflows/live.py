"""TensorBoard page of a training while it runs: scalars, warnings, events; :func:`tensorboard`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from phys_gan.errors import MissingError, OutputError
from phys_gan.events import Events
from phys_gan.toys import Mixture, count_modes
from phys_gan.training.loop import ReportCallback
from phys_gan.training.warnings import OPTIMUM

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

_PICTURED = 4_000
_DPI = 120
# Groups of the page, and what the names of their scalars begin with.
_GROUPS = {
    "physics": ("score", "energy_miss", "diversity"),
    "loss": ("loss", "reconstruction", "kl", "mmd", "cycle", "identity"),
    "game": ("value",),
    "accuracy": ("accuracy",),
    "gradients": ("lipschitz", "gradient_norm"),
    "penalties": ("gradient_penalty", "dragan", "r1", "r2"),
    "schedule": ("rate", "seconds"),
}
_OTHERS = "method"
# Curves that belong into one chart.
_CHARTS = {
    "value of the game and its optimum": ("game/value", "game/optimum"),
    "accuracy of the discriminator": ("accuracy/accuracy_real", "accuracy/accuracy_generated"),
    "losses": ("loss/loss_d", "loss/loss_g"),
    "gradient norms": ("gradients/gradient_norm_d", "gradients/gradient_norm_g"),
}


@contextmanager
def tensorboard(directory: str | Path) -> Iterator[ReportCallback]:
    """Follow a training on a page of TensorBoard, ``tensorboard --logdir DIRECTORY``.

    Yields what to give to ``phys_gan.train(..., watch=)``: it writes all scalars of each report,
    the warnings in words, and pictures of generated beside held-out events, over events shown. A
    training that is resumed goes on in the same directory: from its first report on it replaces
    what an earlier process wrote.

    Arguments:
        directory: Where the files of TensorBoard go; made at the first report.

    Raises:
        MissingError: TensorBoard is not installed.
        OutputError: The directory cannot be written.
    """
    if find_spec("tensorboard") is None:
        raise MissingError(
            "the live page needs TensorBoard, which is not installed",
            remedy="pip install 'phys_gan[tensorboard]'",
        )
    from phys_gan.report.style import figure_style

    writer: SummaryWriter | None = None

    def watch(line: Mapping[str, Any], held_out: Events, generated: Events) -> None:
        nonlocal writer
        writer, step = writer or _open(Path(directory), line), line["events"]
        for name, value in scalars(line).items():
            writer.add_scalar(name, value, step)
        if line.get("warnings"):
            writer.add_text("warnings", "\n".join(f"* {text}" for text in line["warnings"]), step)
        with figure_style():
            for name, figure in pictures(held_out, generated).items():
                figure.set_dpi(_DPI)
                writer.add_figure(name, figure, step)
        # Otherwise the page lags behind.
        writer.flush()

    try:
        yield watch
    finally:
        if writer is not None:
            writer.close()


def _open(directory: Path, line: Mapping[str, Any]) -> SummaryWriter:
    from torch.utils.tensorboard import SummaryWriter

    try:
        # Later reports are those of a process that ended before its checkpoint.
        writer = SummaryWriter(str(directory), purge_step=line["events"])
    except OSError as error:
        raise OutputError(
            f"cannot write the live page in '{directory}': {error.strerror}",
            remedy="free the place, or train without --live",
        ) from error
    present = scalars(line).keys()
    charts = {
        title: ["Multiline", list(names)]
        for title, names in _CHARTS.items()
        if present >= set(names)
    }
    if charts:
        writer.add_custom_scalars({"training": charts})
    return writer


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the scalars of a report by their names on the page, ``group/name``.

    The value of the game is accompanied by its optimum, -2 ln 2.

    Example:
        >>> scalars({"events": 640, "score": 0.1, "loss_d": 1.3, "best": True, "warnings": []})
        {'physics/score': 0.1, 'loss/loss_d': 1.3}
    """
    named = {
        f"{_group(name)}/{name}": float(value)
        for name, value in line.items()
        if name != "events" and isinstance(value, int | float) and not isinstance(value, bool)
    }
    return named | {"game/optimum": OPTIMUM} if "value" in line else named


def _group(name: str) -> str:
    return next((group for group, starts in _GROUPS.items() if name.startswith(starts)), _OTHERS)


def pictures(held_out: Events, generated: Events) -> dict[str, Figure]:
    """Draw held-out and generated events beside each other, as the report does.

    Of showers, single events at the same incident energies and the average over all; of toys,
    their points, with the modes of the exact density. The same events are chosen at each call.

    Arguments:
        held_out: Events of full simulation, called "reference" in the figures.
        generated: Events at the same conditions.
    """
    from phys_gan.report.averages import average_figure
    from phys_gan.report.events import random_figure
    from phys_gan.report.points import curve_figure, plane_figure
    from phys_gan.report.style import make_styles
    from phys_gan.validation.gallery import make_gallery
    from phys_gan.validation.joint import make_clouds
    from phys_gan.validation.sample import measure_sample

    (style,) = make_styles(["generated"])
    first, second = (
        measure_sample(events[:_PICTURED], name, observables=())
        for events, name in ((held_out, "held-out"), (generated, "generated"))
    )
    detector = held_out.detector
    if detector.is_toy:
        clouds = make_clouds(first, second, seed=0)
        drawn = [(style, clouds, _modes(clouds.candidate, clouds.truth))]
        if detector.n_cells == 1:
            return {"events/points": curve_figure(drawn)}
        return {"events/points": plane_figure(drawn, _modes(clouds.reference, clouds.truth))}
    gallery = make_gallery(first, second, seed=0)
    return {
        "events/single": random_figure(gallery, style),
        "events/average": average_figure(detector, first.profiles, [(style, second.profiles)]),
    }


def _modes(points: NDArray[np.float64], truth: Mixture | None) -> str:
    if truth is None or truth.n_modes < 2:
        return ""
    found = count_modes(points, truth)
    return f"{found.modes_hit} of {found.n_modes} modes, {found.high_quality:.1%} within 3 σ"
