"""The events that benchmarks measure with."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["SAMPLE", "SampleOption"]

SAMPLE = "datasets/geant4_calogan_eplus.h5"
"""The Geant4 showers of the repository, from whose folder benchmarks are run."""

SampleOption = Annotated[str, typer.Option(help="A file of CaloGAN showers.")]
