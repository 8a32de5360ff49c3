"""Files of events to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from phys_gan.data import Blocks, HitMapping, blocks
from phys_gan.data.source import Paths
from phys_gan.detectors import Detector
from phys_gan.errors import ConfigError
from phys_gan.validation import Check, Comparisons, Options, Report, compare_all, parse
from phys_gan.validation.measuring import measure_sample
from phys_gan.workflows.cluster import Cluster
from phys_gan.workflows.measuring import measure_on

__all__ = ["Verdict", "validate"]


@dataclass(frozen=True)
class Verdict:
    """What a validation ended with.

    Attributes:
        comparisons: What was found, by candidate.
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
    options: Options | None = None,
    figures: bool = True,
    detector: str | Path | Detector | None = None,
    format: str | None = None,
    mapping: str | Path | HitMapping | None = None,
    report: Report | None = None,
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
        options: What is compared, and how.
        figures: Write every figure as PDF and PNG beside the page.
        detector: As in :func:`phys_gan.read`.
        format: As in :func:`phys_gan.read`.
        mapping: As in :func:`phys_gan.read`.
        report: Called to show progress.
        cluster: Workers that measure the events, where this process does not; what is found is the
            same.

    Raises:
        PhysGanError: As in :func:`phys_gan.read` and :func:`phys_gan.compare`; a requirement
            cannot be read, or the report cannot be written.
    """
    # What is wrong with a requirement is said before hours of work, not after.
    requirements = [parse(text) for text in require]
    named = candidates if isinstance(candidates, Mapping) else _named(candidates)
    if not named:
        raise ConfigError("there is no candidate to judge", remedy="name at least one file")

    def opened(paths: Paths) -> Blocks:
        return blocks(paths, detector=detector, format=format, mapping=mapping)

    comparisons = compare_all(
        opened(reference),
        {name: opened(paths) for name, paths in named.items()},
        training=None if training is None else opened(training),
        options=options or Options(),
        report=report,
        measure=measure_sample if cluster is None else partial(measure_on, cluster),
    )
    checks = {name: comparison.check(requirements) for name, comparison in comparisons.items()}
    page = comparisons.save(out, checks, figures=figures, report=report)
    return Verdict(comparisons, checks, page)


def _named(candidates: Sequence[Paths]) -> dict[str, Paths]:
    """Call candidates after their files, or after as much of their paths as tells them apart."""
    first = [Path(paths if isinstance(paths, str | Path) else paths[0]) for paths in candidates]
    for depth in range(1, max((len(path.parts) for path in first), default=1) + 1):
        names = ["/".join([*path.parts[-depth:-1], path.stem]) for path in first]
        if len(set(names)) == len(names):
            return dict(zip(names, candidates, strict=True))
    # The same file twice: nothing but the number tells them apart.
    numbered = [f"{name} ({k})" for k, name in enumerate(names, 1)]
    return dict(zip(numbered, candidates, strict=True))
