"""A training under way: where it stands, its steps, its reports, its checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from lightning_fabric import Fabric

from phys_gan._version import __version__
from phys_gan.errors import ConfigError, RangeError
from phys_gan.events import Events
from phys_gan.model import Model
from phys_gan.networks.spectral import baked
from phys_gan.references import recipe_references
from phys_gan.training.means import Means
from phys_gan.training.preparing import Prepared
from phys_gan.training.processes import Pulse
from phys_gan.training.recipe import Recipe
from phys_gan.training.run import Run
from phys_gan.training.stopping import Stopping, Unfinished
from phys_gan.training.warnings import warn

__all__ = ["Judge", "Report", "Session", "Watch"]

Judge = Callable[[Events, Events], float]
"""Says how far generated events (second) are from held-out ones (first); smaller is better."""

Report = Callable[[int, Mapping[str, Any]], None]
"""Is told the events shown after each step, and the line of a report when there is one."""

Watch = Callable[[Mapping[str, Any], Events, Events], None]
"""Is given the line of each report with the held-out and the generated events."""

_INSPECTED = 512
"""Events that a method looks at in a report."""


class Session:
    """Step until the end of the schedule; report, judge and keep on the way.

    Arguments are those of :func:`phys_gan.training.loop.train`.

    Attributes:
        shown: Events shown so far, by all processes.
        best: The best score so far.
        best_at: Events shown when it was reached.
        spent: Seconds spent in steps and reports, before the last resume as well.
    """

    def __init__(
        self,
        recipe: Recipe,
        fabric: Fabric,
        parts: Prepared,
        run: Run,
        held_out: Events,
        judge: Judge,
        report: Report,
        watch: Watch,
        provenance: Mapping[str, str],
    ) -> None:
        self.recipe, self.config, self.fabric = recipe, recipe.training, fabric
        self.parts, self.method, self.run = parts, parts.method, run
        self.held_out, self.judge, self.provenance = held_out, judge, provenance
        self.report, self.watch = report, watch
        self.shown, self.best, self.best_at, self.spent = 0, math.inf, 0, 0.0
        self._means, self._pulse = Means(), Pulse(fabric)

    def resume(self) -> None:
        """Take the state of the last whole checkpoint.

        Raises:
            ConfigError: The run began with another recipe, other data or other processes.
            DataError: Every checkpoint is damaged.
        """
        state = self.run.load(self.recipe, self.parts.encoding)
        if state["processes"] != self.fabric.world_size:
            raise ConfigError(
                f"the run in '{self.run.path}' began with {state['processes']} processes, not "
                f"{self.fabric.world_size}, whose steps show another number of events",
                remedy=f"resume with {state['processes']} devices in all, or choose another "
                "directory",
                value=self.fabric.world_size,
                constraint=state["processes"],
            )
        # No process may tidy up or rewind while another one still reads.
        self.fabric.barrier()
        if self.fabric.is_global_zero:
            self.run.rewind(state["shown"])
        self.fabric.barrier()
        self.method.load_state_dict(state["method"])
        self._means.load_state_dict(state["scalars"], self.fabric.device)
        self.shown, self.best = state["shown"], state["best"]
        self.best_at, self.spent = state["best_at"], state["spent"]

    def go(self, stopping: Stopping) -> None:
        """Step until the end.

        Raises:
            RangeError: The losses are no longer finite.
            Unfinished: There is a reason to stop before.
        """
        config, began = self.config, time.monotonic() - self.spent
        per_step = config.batch_size * self.fabric.world_size
        while (progress := config.progress(self.shown, self.spent)) < 1:
            stopping.tick()
            batch = self.parts.batches.draw(self.method.steps, config.batch_size)
            rate = config.rate(progress)
            scalars = self.method.step(*batch, rate, self.shown)
            self._means.add(scalars)
            self.shown += per_step
            due = self.shown % config.report_every < per_step or self.shown >= config.events
            spent, reason = time.monotonic() - began, stopping.reason
            self.spent, stop, broken = self._pulse.beat(scalars, spent, reason is not None, due)
            if broken:
                raise _not_finite(self.shown, {k: float(v) for k, v in scalars.items()})
            if due or config.progress(self.shown, self.spent) >= 1:
                if self._tell(rate):
                    return
            else:
                self.report(self.shown, {})
                if stop:
                    self._save()
            if stop and config.progress(self.shown, self.spent) < 1:
                self.fabric.barrier()
                raise Unfinished(self.shown, config.events, reason or "another process was told to")

    def _tell(self, rate: float) -> bool:
        """Judge, report and keep; return whether patience has come to its end."""
        x, c = self.parts.x[:_INSPECTED], self.parts.c[:_INSPECTED]
        with self.method.aside():
            scalars = self._means.take() | self.method.inspect(x, c)
        if not all(map(math.isfinite, scalars.values())):
            raise _not_finite(self.shown, scalars)
        line: dict[str, Any] = {}
        if self.fabric.is_global_zero:
            model = self._model()
            generated = self.method.produce(model, self.held_out, self.config.seed)
            line = {"events": self.shown, "seconds": round(self.spent, 2)}
            line["score"] = score = self.judge(self.held_out, generated)
            line |= {"rate": rate, **scalars, "best": score < self.best}
            line["warnings"] = warn([*self.run.lines(), line])
        score = self.fabric.broadcast(line.get("score", math.inf))
        if score < self.best:
            self.best, self.best_at = score, self.shown
            if self.fabric.is_global_zero:
                self.run.keep(model)
        if self.fabric.is_global_zero:
            self.run.log(line)
        self._save()
        self.report(self.shown, line)
        if self.fabric.is_global_zero:
            self.watch(line, self.held_out, generated)
        patience = self.config.patience
        return bool(patience) and self.shown - self.best_at >= patience

    def _save(self) -> None:
        state = {
            "shown": self.shown,
            "best": self.best,
            "best_at": self.best_at,
            "spent": self.spent,
            "processes": self.fabric.world_size,
            "encoding": self.parts.encoding.state_dict(),
            "method": self.method.state_dict(),
            "scalars": self._means.state_dict(),
        }
        if self.fabric.is_global_zero:
            self.run.save(state)

    def _model(self) -> Model:
        recipe, encoding = self.recipe, self.parts.encoding
        made = {
            "phys_gan": __version__,
            "recipe": recipe.name,
            "events_shown": str(self.shown),
            "seed": str(recipe.training.seed),
            "references": " ".join(recipe_references(recipe, encoding.detector.name)),
        }
        return Model(
            encoding,
            recipe.encoding,
            baked(self.method.average.generator),
            recipe.network,
            {**self.provenance, **made},
        )


def _not_finite(shown: int, scalars: Mapping[str, float]) -> RangeError:
    return RangeError(
        f"the losses are no longer finite after {shown:,} events, where the training stopped; what "
        "the last report left, model and checkpoint, is untouched",
        remedy="train in another directory with lower training.lr_g and training.lr_d, or raise "
        "the weight of a penalty",
        value=scalars,
    )
