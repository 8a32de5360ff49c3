"""Stacked training in the loop: exact resuming, separate stages, what is refused."""

import math

import numpy as np
import pytest
import torch

import phys_gan as pg
from helpers import lines
from phys_gan.encodings.standard import AbsoluteEncodingConfig
from phys_gan.errors import ConfigError
from phys_gan.networks import CompactConfig
from phys_gan.training.loop import train
from phys_gan.training.methods import AdversarialConfig
from phys_gan.training.run import load_checkpoint
from phys_gan.validation import physics_score
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())
SMALL = [
    *(f"network.{part}.{key}={value}" for part in ("energies", "cells")
      for key, value in (("latent", 8), ("width", 16), ("depth", 1), ("d_width", 16),
                         ("d_depth", 1))),
    "training.batch_size=32",
    "training.events=512",
    "training.report_every=128",
    "training.decay=none",
]  # fmt: skip


def run(out, *overrides, **options):
    recipe = pg.load_recipe("stacked-showers", [*SMALL, *overrides])
    return train(recipe, GEANT4[:300], GEANT4[300:400], out, physics_score, **options)


def weights(out):
    return load_checkpoint(out / "checkpoint.safetensors")["method"]


@pytest.mark.parametrize("overrides", [[], ["method.techniques.packing.m=2"]])
def test_resuming_gives_the_uninterrupted_run(resumes_exactly, overrides):
    places = resumes_exactly(lambda out, **options: run(out, *overrides, **options), at=352)
    for mine, theirs in zip(*map(lines, places), strict=True):
        assert {**mine, "seconds": 0} == {**theirs, "seconds": 0}
        assert math.isfinite(mine["loss_g"] + mine["loss_g_energies"])


def test_the_average_is_the_whole_chain(tmp_path):
    run(tmp_path, "training.ema_half_life=0")
    state = weights(tmp_path)
    for part in ("energies", "cells"):
        for name, tensor in state[part]["network"].items():
            assert torch.equal(state["average"][f"{part}.{name}"], tensor), name


def test_generating_and_a_model_there_and_back(tmp_path):
    fast = pg.FastSim.load(run(tmp_path))
    fast.model.save(tmp_path / "copy.safetensors")
    copy = pg.FastSim.load(tmp_path / "copy.safetensors")
    conditions = GEANT4[:200].conditions
    whole = fast.generate(conditions, seed=4)
    np.testing.assert_array_equal(copy.generate(conditions, seed=4).cells, whole.cells)
    small = fast.generate(conditions, seed=4, batch_size=7)
    np.testing.assert_allclose(small.total_energy(), whole.total_energy(), rtol=1e-5)
    with pytest.raises(ConfigError, match="generates events and does not translate"):
        fast.translate(GEANT4[:5])


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"network": CompactConfig()}, "'compact' is not a chain.*network.kind = 'stacked'"),
        ({"encoding": AbsoluteEncodingConfig()}, "no energies apart.*encoding.kind = 'shower'"),
        ({"method": AdversarialConfig()}, "no single discriminator.*method.kind = 'stacked'"),
    ],
)
def test_wrong_use(tmp_path, sections, reason):
    # Copies are not checked as a whole, unlike recipes: each part must refuse by itself.
    recipe = pg.load_recipe("stacked-showers", SMALL).model_copy(update=sections)
    with pytest.raises(ConfigError, match=reason):
        train(recipe, GEANT4[:300], GEANT4[300:400], tmp_path, physics_score)
