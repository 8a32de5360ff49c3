"""Find a detector by the name of a built-in one or by the path of a user's own file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from phys_gan.detectors.binning_xml import read_binning_xml
from phys_gan.detectors.detector import Detector
from phys_gan.errors import DetectorError
from phys_gan.toml import read_text

__all__ = ["detector_names", "load_detector"]

_CATALOG = resources.files("phys_gan.detectors") / "catalog"


def detector_names() -> list[str]:
    """Return the names of the built-in detectors."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in _CATALOG.iterdir()
        if entry.name.endswith(".toml")
    )


def load_detector(detector: str | Path | Detector) -> Detector:
    """Load a detector.

    Arguments:
        detector: A built-in name, the path of a ``.toml`` file, the path of a CaloChallenge
            binning ``.xml`` file (``file.xml:particle`` where it holds several), or a detector,
            which is returned as it is.

    Raises:
        DetectorError: There is no such detector, or its file is wrong.

    Example:
        >>> load_detector("calochallenge-2").layers[0].shape
        (16, 9)
    """
    if isinstance(detector, Detector):
        return detector
    name = str(detector)
    if name in detector_names():
        return Detector.from_toml((_CATALOG / f"{name}.toml").read_text("utf-8"), name)
    path, particle = Path(name), ""
    if ".xml:" in name and path.suffix not in (".toml", ".xml"):
        stem, _, particle = name.rpartition(".xml:")
        path = Path(f"{stem}.xml")
    if path.suffix not in (".toml", ".xml"):
        raise DetectorError(
            f"'{name}' is not a detector; available: {', '.join(detector_names())}",
            remedy="name one of these, or the path of a .toml or binning .xml file",
            value=name,
        )
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DetectorError(
            f"cannot read the detector '{path}': {reason}", remedy="check the path"
        ) from error
    if path.suffix == ".xml":
        return read_binning_xml(text, particle=particle or None, source=str(path))
    return Detector.from_toml(text, str(path))
