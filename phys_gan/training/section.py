"""What every section of a recipe is: frozen, without unknown keys, and knowing its papers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def references(self) -> tuple[str, ...]:
        """BibTeX keys of what the chosen options use."""
        return ()
