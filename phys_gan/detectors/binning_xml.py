"""CaloChallenge's binning XML to a detector."""

from __future__ import annotations

from xml.etree import ElementTree

from pydantic import ValidationError

from phys_gan.detectors.detector import Detector
from phys_gan.errors import DetectorError
from phys_gan.toml import first_problem, shortened, too_long

__all__ = ["read_binning_xml"]


def read_binning_xml(
    text: str, particle: str | None = None, source: str = "binning.xml", thickness: float = 1.0
) -> Detector:
    """Read CaloChallenge's binning (``<Bins><Bin name=...><Layer id= r_edges= n_bin_alpha=/>``).

    The XML has no depths: layers are stacked, each ``thickness`` deep; give real ones in TOML
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
        raise DetectorError(f"'{source}' is not a binning: {problem}", remedy="name another file")
    try:
        bins = ElementTree.fromstring(text).findall("Bin")
    except ElementTree.ParseError as error:
        raise DetectorError(f"'{source}' is not XML: {error}") from error
    names = [entry.get("name") or entry.get("pid") or "" for entry in bins]
    if particle is None and len(bins) == 1:
        chosen = bins[0]
    else:
        matches = [b for b in bins if particle and particle in (b.get("name"), b.get("pid"))]
        if not matches:
            raise DetectorError(
                f"'{source}' has no binning for the particle '{particle}'"
                if particle
                else f"'{source}' has {len(bins)} binnings",
                remedy=f"name one of: {shortened(', '.join(names)) or 'none there'}",
                value=particle,
            )
        chosen = matches[0]
    layers: list[dict[str, object]] = []
    try:
        for entry in chosen.findall("Layer"):
            edges = [float(value) for value in entry.get("r_edges", "0").split(",")]
            if len(edges) < 2:
                continue
            front = len(layers) * thickness
            layers.append(
                {
                    "kind": "polar",
                    "name": entry.get("id", ""),
                    "z": (front, front + thickness),
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
        raise DetectorError(f"'{source}' is not a binning: {first_problem(error)}") from error
    except (ValueError, ArithmeticError) as error:
        problem = shortened(str(error))
        raise DetectorError(f"'{source}' is not a binning: {problem}") from error
