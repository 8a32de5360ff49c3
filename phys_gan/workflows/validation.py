"""Validate files of events, here or on the workers of a cluster, into a report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from phys_gan._version import __version__
from phys_gan.data import Blocks, HitMapping, blocks
from phys_gan.data.source import Paths
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.files import atomic_file
from phys_gan.validation import Check, Comparisons, Options, Progress, compare_all, parse
from phys_gan.validation.sample import Accumulator, Sample, measure_sample
from phys_gan.workflows.cluster import Cluster, require_shared


@dataclass(frozen=True)
class Verdict:
    """Result of a validation.

    Attributes:
        comparisons: Candidate name to its comparison.
        checks: Candidate name to its requirements.
        page: Path of the report.
    """

    comparisons: Comparisons
    checks: Mapping[str, Sequence[Check]]
    page: Path

    @property
    def met(self) -> bool:
        """Whether every requirement holds for every candidate."""
        return all(check.met for checks in self.checks.values() for check in checks)


def validate(
    reference: Paths,
    candidates: Sequence[Paths] | Mapping[str, Paths],
    out: str | Path,
    *,
    require: Sequence[str] = (),
    training: Paths | None = None,
    ensemble: bool = False,
    options: Options | None = None,
    figures: bool = False,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
    report: Progress | None = None,
    cluster: Cluster | None = None,
) -> Verdict:
    """Compare files of events with those of a reference, and write the report.

    Files are read block by block, so they may be larger than memory.

    Arguments:
        reference: Events of full simulation, as in :func:`phys_gan.read`.
        candidates: Events to judge; without names, they are called after their files.
        out: Folder for the report.
        require: Requirements as in :func:`phys_gan.validation.parse`.
        training: Events that the candidates were trained on, to look for copies of them.
        ensemble: Whether the candidates are trainings of one model: their spread is shown as a
            band, and ``histfactory.json``, a HistFactory workspace, is written beside the page.
        options: What is compared, and how.
        figures: Write every figure as PDF and PNG beside the page.
        detector: As in :func:`phys_gan.read`.
        format: As in :func:`phys_gan.read`.
        mapping: As in :func:`phys_gan.read`.
        report: Called to show progress.
        cluster: Workers that measure the events in place of this process; the result is the same.

    Raises:
        PhysGanError: As in :func:`phys_gan.read` and :func:`phys_gan.compare`; a requirement
            cannot be read, or the report cannot be written.
    """
    # Before hours of work.
    requirements = [parse(text) for text in require]
    named = candidates if isinstance(candidates, Mapping) else _named(candidates)
    if not named:
        raise ConfigError("there is no candidate to judge", remedy="name at least one file")
    if ensemble and len(named) < 2:
        raise ConfigError(
            "an ensemble needs at least 2 candidates, trainings of one model, not 1",
            remedy="name the events of several trainings, or leave the ensemble out",
            value=len(named),
            constraint=2,
        )

    def opened(paths: Paths) -> Blocks:
        return blocks(paths, detector=detector, format=format, mapping=mapping)

    seen = None if training is None else opened(training)
    comparisons = compare_all(
        opened(reference),
        {name: opened(paths) for name, paths in named.items()},
        training=seen,
        options=options or Options(),
        report=report,
        measure=measure_sample if cluster is None else partial(measure_on, cluster),
    )
    if ensemble:
        comparisons = comparisons.as_ensemble(None if seen is None else seen.found.n_events)
    checks = {name: comparison.check(requirements) for name, comparison in comparisons.items()}
    page = comparisons.save(out, checks, figures=figures, report=report)
    if comparisons.ensemble is not None:
        with atomic_file(Path(out) / "histfactory.json") as temporary:
            workspace = comparisons.ensemble.histfactory()
            temporary.write_text(json.dumps(workspace, allow_nan=False) + "\n", encoding="utf-8")
    return Verdict(comparisons, checks, page)


def _named(candidates: Sequence[Paths]) -> dict[str, Paths]:
    """Name candidates after their files, or after as much of their paths as tells them apart."""
    first = [Path(paths if isinstance(paths, str | Path) else paths[0]) for paths in candidates]
    for depth in range(1, max((len(path.parts) for path in first), default=1) + 1):
        names = ["/".join([*path.parts[-depth:-1], path.stem]) for path in first]
        if len(set(names)) == len(names):
            return dict(zip(names, candidates, strict=True))
    # The same file twice: only the number tells them apart.
    numbered = [f"{name} ({k})" for k, name in enumerate(names, 1)]
    return dict(zip(numbered, candidates, strict=True))


def measure_on(
    cluster: Cluster,
    source: Blocks,
    name: str,
    *,
    parts: int | None = None,
    report: Callable[[int], None] | None = None,
    **options: Any,
) -> Sample:
    """Measure files as :func:`~phys_gan.validation.sample.measure_sample` does, on workers.

    Workers see the files under the same paths, and measure them in as many parts as suit the
    cluster.

    Raises:
        ConfigError: A worker does not see a file, or runs another phys_gan.
        PhysGanError: As in ``measure_sample``, or the scheduler is gone.
    """
    tasks = source.cut(parts or cluster.n_tasks)
    done = 0

    def count(place: int) -> None:
        nonlocal done
        done += tasks[place][1].n_events
        if report is not None:
            report(done)

    measure = partial(_measure_part, name=name, version=__version__, options=options)
    return cluster.reduce(measure, Accumulator.merged, tasks, count).sample()


def _measure_part(
    task: tuple[int, Blocks], *, name: str, version: str, options: dict[str, Any]
) -> Accumulator:
    """Measure a part, on a worker."""
    before, blocks = task
    for source in blocks.found.sources:
        require_shared(source.path, version)
    found = None
    # As in a comparison: other threads of BLAS would add up in another order.
    with threadpool_limits(1, user_api="blas"):
        for events in blocks:
            found = found or Accumulator(events, name, before, **options)
            found.add(events)
    assert found is not None, "parts have at least one block"
    return found
