"""The verbs that join several rooms: train, explore, validate files, cite, the demo."""

from phys_gan.workflows.citing import cite
from phys_gan.workflows.demo import Demo, demo, demo_sample
from phys_gan.workflows.exploring import explore
from phys_gan.workflows.producing import produce
from phys_gan.workflows.training import resolve, train
from phys_gan.workflows.validating import Verdict, validate

__all__ = [
    "Demo",
    "Verdict",
    "cite",
    "demo",
    "demo_sample",
    "explore",
    "produce",
    "resolve",
    "train",
    "validate",
]
