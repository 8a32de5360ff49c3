"""Detectors by name or from a file: :func:`load_detector`.

The built-in ones are TOML files in ``catalog/``, as a user writes them; CaloChallenge's binning is
XML.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pydantic import ValidationError

from phys_gan.detectors.detector import Detector
from phys_gan.errors import DetectorError
from phys_gan.files import first_problem, read_text, shortened, too_long

_CATALOG = resources.files("phys_gan.detectors") / "catalog"


def detector_names() -> list[str]:
    """Return the names of the built-in detectors."""
    names = (entry.name for entry in _CATALOG.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


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


def read_binning_xml(
    text: str, particle: str | None = None, source: str = "binning.xml", thickness: float = 1.0
) -> Detector:
    """Read CaloChallenge's binning (``<Bins><Bin name=...><Layer id= r_edges= n_bin_alpha=/>``).

    The XML has no depths: layers are stacked, each ``thickness`` [mm] deep; give real ones in TOML
    (``Detector.save`` writes it) when depth matters. Layers with ``r_edges="0"`` are empty and
    left out.

    Arguments:
        text: The XML.
        particle: Name or pid of the ``Bin`` to read; needed when there are several.
        source: Name of the file, for messages.
        thickness: Depth of every layer [mm].

    Raises:
        DetectorError: The text is not such XML, or has no such particle.
    """
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise DetectorError(
            f"'{source}' declares a document type, which a binning file never does",
            remedy="remove the declaration",
        )
    if problem := too_long(text):
        raise _not_a_binning(source, problem)
    try:
        bins = ElementTree.fromstring(text).findall("Bin")
    except ElementTree.ParseError as error:
        raise DetectorError(
            f"'{source}' is not XML: {error}", remedy="copy the file again, or name another"
        ) from error
    chosen = _chosen(bins, particle, source)
    try:
        layers: list[dict[str, Any]] = []
        for entry in chosen.findall("Layer"):
            edges = [float(value) for value in entry.get("r_edges", "0").split(",")]
            if len(edges) > 1:
                layers.append(
                    {
                        "kind": "polar",
                        "name": entry.get("id", ""),
                        "z": (len(layers) * thickness, len(layers) * thickness + thickness),
                        "r": edges,
                        "n_alpha": int(entry.get("n_bin_alpha", "1")),
                    }
                )
        return Detector.model_validate(
            {
                "name": chosen.get("name") or chosen.get("pid") or "calochallenge",
                "description": f"from {source}",
                "symmetries": ("rotate-alpha", "reflect-alpha"),
                "layers": layers,
            }
        )
    except ValidationError as error:
        raise _not_a_binning(source, first_problem(error)) from error
    except (ValueError, ArithmeticError) as error:
        raise _not_a_binning(source, shortened(str(error))) from error


def _chosen(
    bins: Sequence[ElementTree.Element], particle: str | None, source: str
) -> ElementTree.Element:
    """Return the binning of a particle, or the only one."""
    if particle is None and len(bins) == 1:
        return bins[0]
    matches = [b for b in bins if particle and particle in (b.get("name"), b.get("pid"))]
    if len(matches) == 1:
        return matches[0]
    if not bins:
        raise _not_a_binning(source, "it holds no <Bin>")
    names = [entry.get("name") or entry.get("pid") or "" for entry in bins]
    known = list(dict.fromkeys(name for name in names if name))
    held = f"it holds {shortened(', '.join(known)) or 'none with a name'}"
    if matches:
        problem = f"'{source}' has {len(matches)} binnings for the particle '{particle}'"
    elif particle:
        problem = f"'{source}' has no binning for the particle '{particle}': {held}"
    else:
        problem = f"'{source}' has {len(bins)} binnings, each of a particle: {held}"
    single = next((n for n in known if names.count(n) == 1 and n == shortened(n)), None)
    raise DetectorError(
        problem,
        remedy="keep one of them in the file"
        if matches or single is None
        else f"name the particle after a colon, such as '{source}:{single}'",
        value=particle,
        constraint=tuple(known),
    )


def _not_a_binning(source: str, problem: str) -> DetectorError:
    return DetectorError(
        f"'{source}' is not a binning: {problem}", remedy="correct the file, or name another"
    )
