"""What one file layout must be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from phys_gan.data.container import OpenFile
from phys_gan.detectors import Detector
from phys_gan.events import Events

__all__ = ["Format"]


class Format(ABC):
    """Read and write one file layout. A new one is one such class and one entry of ``FORMATS``.

    Attributes:
        name: Name of the layout.
        description: One line for people.
        extensions: File names that are written in this layout end in one of these.
        container: ``"HDF5"`` or ``"ROOT"``.
        needs: Names of data sets or branches without which a file does not have this layout.
        energy_unit: Unit of the incident energies, where a file does not declare another.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    container: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    energy_unit: ClassVar[str]

    @abstractmethod
    def recognises(self, file: OpenFile) -> bool:
        """Return whether the content of the file has this layout."""

    @abstractmethod
    def read(self, file: OpenFile, detector: Detector | None) -> Events:
        """Read all events.

        Arguments:
            file: An open file in the layout's container.
            detector: The detector; None leaves the choice to the file.

        Raises:
            MissingError: The file lacks something that the layout needs.
            DataError: The content is damaged or wrong.
            DetectorError: The events belong to another detector, or to one that must be named.
        """

    @abstractmethod
    def obstacle(self, events: Events) -> str:
        """Return why this layout cannot hold the events, as a clause; empty where it can."""

    @abstractmethod
    def write(self, path: Path, events: Events) -> None:
        """Write events that this layout can hold.

        Raises:
            OutputError: The file cannot be written; what stood there is untouched.
        """
