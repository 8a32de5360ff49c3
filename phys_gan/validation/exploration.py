"""What a trained model does, to be looked at: events, ramps of conditions, walks, mixed styles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phys_gan.detectors import Detector
from phys_gan.events import Events
from phys_gan.files import numbers_first
from phys_gan.validation.ramping import Ramp, Response

__all__ = ["Exploration", "Mixed"]


@dataclass(frozen=True, eq=False)
class Mixed:
    """Events of two styles, row by row.

    Attributes:
        coarse: The source of the coarse layers of each row, R events.
        fine: The source of the fine layers of each column, C events.
        events: The R x C events.
        layer: The first layer of the fine ones.
        n_layers: Layers that have a style.
    """

    coarse: Events
    fine: Events
    events: Events
    layer: int
    n_layers: int


@dataclass(frozen=True, eq=False)
class Exploration:
    """What a model did.

    Attributes:
        events: Events of random latents under random conditions.
        ramps: Every condition over its whole range.
        constant: Conditions without a range: they had one value in all training events.
        walks: Events along paths between random latents, under the middle conditions.
        mixed: Events of mixed styles, of a StyleGAN.
        n: Latents at each step of a ramp.
        seed: Seed of all latents and random conditions.
        provenance: How the model was made.
    """

    events: Events
    ramps: Sequence[Ramp]
    constant: Sequence[str]
    walks: Sequence[Events]
    mixed: Mixed | None
    n: int
    seed: int
    provenance: Mapping[str, str]

    @property
    def detector(self) -> Detector:
        """The detector of the model."""
        return self.events.detector

    @property
    def responses(self) -> list[tuple[Ramp, Response]]:
        """Everything that was measured, with its ramp."""
        return [(ramp, response) for ramp in self.ramps for response in ramp.responses]

    @property
    def failures(self) -> list[tuple[Ramp, Response]]:
        """The responses that do not rise with their condition over its whole range."""
        return [(ramp, response) for ramp, response in self.responses if not response.good]

    @property
    def headline(self) -> str:
        """One sentence on all conditions."""
        if not self.ramps:
            return "The model is told no conditions that change."
        total, bad = len(self.responses), len(self.failures)
        if not total:
            return f"Nothing that is measured in '{self.detector.name}' answers to a condition."
        if total == 1 and not bad:
            ramp, response = self.responses[0]
            return f"{response.observable.name} rises with {ramp.name} over its whole range."
        if not bad:
            return f"All {total} responses rise with their condition over its whole range."
        return f"{total - bad} of {total} responses rise with their condition over its whole range."

    @property
    def unanswered(self) -> list[str]:
        """The conditions to which nothing that is measured answers."""
        return [ramp.name for ramp in self.ramps if not ramp.responses]

    @property
    def numbers(self) -> dict[str, Any]:
        """Content of explore.json."""
        return {
            "detector": self.detector.name,
            "seed": self.seed,
            "latents": self.n,
            "constant": list(self.constant),
            "conditions": {ramp.name: ramp.as_dict() for ramp in self.ramps},
            "provenance": dict(self.provenance),
        }

    def summary(self) -> str:
        """Return the headline, and a line for each response."""
        lines = [self.headline]
        lines += [f"  {ramp.verdict(response)}" for ramp, response in self.responses]
        lines += [f"  Nothing that is measured answers to {name}." for name in self.unanswered]
        lines += [f"  {name} had one value in all training events." for name in self.constant]
        return "\n".join(lines)

    def save(
        self,
        directory: str | Path,
        *,
        figures: bool = True,
        report: Callable[[str, int], None] | None = None,
    ) -> Path:
        """Write ``explore.json`` and ``index.html``; other files of the folder stay as they are.

        The numbers are written before any figure is drawn, as
        :meth:`phys_gan.validation.Comparison.save` does.

        Arguments:
            directory: Folder, made where there is none.
            figures: Write every figure as PDF and PNG too, in the folder ``figures``.
            report: Called to show progress.

        Returns:
            The path of ``index.html``.

        Raises:
            OutputError: The folder cannot be written.
        """
        with numbers_first(Path(directory), "explore.json", self.numbers):
            from phys_gan.report.explore_page import save_exploration

            return save_exploration(self, directory, figures=figures, report=report)
