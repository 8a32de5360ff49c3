"""What a sampling calorimeter is made of: active slabs, absorbers, response and resolution."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Sampling", "Slab"]


class Slab(BaseModel):
    """One slab of material.

    Attributes:
        material: Name of the material, such as ``"Pb"``.
        thickness: Depth along the shower axis [mm].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    material: str
    thickness: float = Field(gt=0)


class Sampling(BaseModel):
    """What one period of the calorimeter is made of; only simulators without files need it.

    Attributes:
        active: The slab that is read out.
        absorber: The slab in front of it; none in a homogeneous calorimeter.
        response: Mean visible over incident energy of a shower that is contained completely;
            leakage comes on top.
        stochastic_term: a in sigma/E = a / sqrt(E/GeV) (+) b; 0 where the absorber is read out too.
        constant_term: b in the same formula.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    active: Slab
    absorber: Slab | None = None
    response: float = Field(default=1.0, gt=0)
    stochastic_term: float = Field(default=0.0, ge=0)
    constant_term: float = Field(default=0.0, ge=0)
