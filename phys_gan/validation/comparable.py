"""Whether two samples can be compared at all."""

from __future__ import annotations

from phys_gan.detectors import Detector
from phys_gan.errors import DetectorError

__all__ = ["need_same_cells"]


def need_same_cells(reference: Detector, candidate: Detector) -> None:
    """Refuse samples of different cells.

    Raises:
        DetectorError: The detectors differ.
    """
    if not reference.same_cells(candidate):
        raise DetectorError(
            f"cannot compare events of '{reference.name}' with events of '{candidate.name}'",
            remedy="give samples of one detector",
        )
