"""The command line: one thin command per verb; how it ends is said in ``app``."""

# The order of these imports is the order of the commands in the help.
from phys_gan.cli.demo import demo  # isort: skip
from phys_gan.cli.events import convert, inspect, simulate  # isort: skip
from phys_gan.cli.splitting import split  # isort: skip
from phys_gan.cli.training import train  # isort: skip
from phys_gan.cli.generating import generate  # isort: skip
from phys_gan.cli.pretrained import models  # isort: skip
from phys_gan.cli.exporting import export  # isort: skip
from phys_gan.cli.exploring import explore  # isort: skip
from phys_gan.cli.validation import validate  # isort: skip
from phys_gan.cli.benchmark import benchmark  # isort: skip
from phys_gan.cli.citing import cite  # isort: skip
from phys_gan.cli.app import app, main  # isort: skip

__all__ = [
    "app",
    "benchmark",
    "cite",
    "convert",
    "demo",
    "explore",
    "export",
    "generate",
    "inspect",
    "main",
    "models",
    "simulate",
    "split",
    "train",
    "validate",
]
