"""What the discriminator is told about the other events of the batch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from phys_gan.training.section import Section

__all__ = ["Minibatch"]


class Minibatch(Section):
    """Tell the discriminator how alike the events of a batch are.

    References:
        Improved Techniques for Training GANs (Salimans et al., 2016), Sec. 3.2,
        https://arxiv.org/abs/1606.03498; for the standard deviation, Progressive Growing of GANs
        (Karras et al., 2017), Sec. 3, https://arxiv.org/abs/1710.10196

    Attributes:
        kind: "discrimination" compares every event with every other one in learned directions,
            "spread" takes the mean standard deviation of the features.
        features: Features that minibatch discrimination adds.
    """

    kind: Literal["discrimination", "spread"] = "discrimination"
    features: int = Field(default=16, ge=1)

    @property
    def references(self) -> tuple[str, ...]:
        """The paper of the kind."""
        return (
            ("salimans2016improved",)
            if self.kind == "discrimination"
            else ("karras2017progressive",)
        )
