"""The command line, ``phys-gan``: one thin command per verb, in the order of the help."""

from phys_gan.cli.app import app, main
from phys_gan.cli.files import convert, detectors, inspect, split
from phys_gan.cli.models import benchmark, cite, explore, export, generate, models
from phys_gan.cli.simulation import new_geometry, simulate
from phys_gan.cli.training import Train, demo, train
from phys_gan.cli.validation import reweight, validate

__all__ = ["app", "main"]

app.command()(demo)
app.command()(detectors)
app.command()(simulate)
app.command()(inspect)
app.command()(convert)
app.command()(split)
app.command(cls=Train)(train)
app.command("new-geometry")(new_geometry)
for command in (generate, models, export, explore, validate, reweight, benchmark, cite):
    app.command()(command)
