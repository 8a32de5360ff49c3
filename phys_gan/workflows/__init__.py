"""The verbs that join several rooms: train, explore, validate and reweight files, cite."""

from phys_gan.workflows.demo import Demo, demo, demo_sample
from phys_gan.workflows.exploration import cite, explore
from phys_gan.workflows.geometry import Geometry, new_geometry
from phys_gan.workflows.production import produce
from phys_gan.workflows.reweighting import Reweighting, reweight
from phys_gan.workflows.training import resolve, train
from phys_gan.workflows.validation import Verdict, validate

__all__ = [
    "Demo",
    "Geometry",
    "Reweighting",
    "Verdict",
    "cite",
    "demo",
    "demo_sample",
    "explore",
    "new_geometry",
    "produce",
    "resolve",
    "reweight",
    "train",
    "validate",
]
