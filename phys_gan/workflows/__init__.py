"""The verbs that join several rooms: train with the physics judge, and the demo."""

from phys_gan.workflows.demo import Demo, demo, demo_sample
from phys_gan.workflows.training import resolve, train

__all__ = ["Demo", "demo", "demo_sample", "resolve", "train"]
