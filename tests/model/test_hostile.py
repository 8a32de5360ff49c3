"""Model files that lie about themselves: one sentence, and no memory."""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import phys_gan as pg
from phys_gan.encodings import build_encoding
from phys_gan.encodings.image import ImageEncodingConfig
from phys_gan.encodings.shower import ShowerEncoding, ShowerEncodingConfig
from phys_gan.encodings.standard import StandardEncodingConfig
from phys_gan.errors import PhysGanError
from phys_gan.model import Model
from phys_gan.networks import (
    AutoencoderConfig,
    CompactConfig,
    DcganConfig,
    MlpConfig,
    ProgressiveConfig,
    SaganConfig,
    Sizes,
    StackedConfig,
    StyleGanConfig,
    TranslatorConfig,
    build_generator,
)
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())[:200]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    encoding = ShowerEncoding(GEANT4.detector).fit(GEANT4)
    config = CompactConfig(latent=8, width=32, depth=1)
    generator = build_generator(config, GEANT4.detector, Sizes(3, 504, 2)).eval()
    generator.adapt(*encoding.encode(GEANT4))
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    Model(encoding, ShowerEncodingConfig(), generator, config, {"recipe": "test"}).save(path)
    return path


def header_of(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        return dict(json.loads(file.metadata()["phys_gan"]))


def with_header(path: Path, change: Callable[[dict[str, Any]], object]) -> dict[str, str]:
    header = header_of(path)
    change(header)
    return {"phys_gan": json.dumps(header)}


def refused(path: Path, *words: str) -> None:
    with pytest.raises(PhysGanError) as caught:
        Model.load(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 1000
    assert caught.value.remedy
    for word in words:
        assert word in text


LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "wide": (lambda h: h["network"].update(width=10**9), "is not a model of phys_gan"),
    "widest": (
        lambda h: h["network"].update(width=65_536),
        "is F32 [32, 13] instead of F32 [65536",
    ),
    "deep": (lambda h: h["network"].update(depth=10**9), "is not a model of phys_gan"),
    "deepest": (lambda h: h["network"].update(depth=1_000), "it lacks 'generator.blocks.1.first"),
    "latent": (lambda h: h["network"].update(latent=65_536), "instead of F32"),
    "negative": (lambda h: h["network"].update(width=-1), "is not a model of phys_gan"),
    "knots": (lambda h: h["encoding"].update(n_knots=10**8), "is not a model of phys_gan"),
    "most knots": (lambda h: h["encoding"].update(n_knots=10_000), "instead of F32 [10000"),
    "another network": (lambda h: h.update(network={"kind": "sagan"}), "a network that cannot be"),
    "another encoding": (lambda h: h.update(encoding={"kind": "image"}), "is not an image"),
    "an unknown option": (lambda h: h["network"].update(run="rm"), "is not a model of phys_gan"),
    "a path in a name": (lambda h: h.update({"../x": 1}), "is not a model of phys_gan"),
    "another version": (lambda h: h.update(format="phys_gan model 9"), "is not a model of"),
    "cells": (
        lambda h: h.update(
            detector='name = "x"\n[[layers]]\nkind = "polar"\nz = [0.0, 1.0]\nn_alpha = 100000\n'
            "r = { start = 0.0, stop = 1.0, cells = 10000 }"
        ),
        "at most 10,000,000 may be",
    ),
    "most cells": (
        lambda h: h.update(
            detector='name = "x"\n[[layers]]\nkind = "polar"\nz = [0.0, 1.0]\nn_alpha = 100000\n'
            "r = { start = 0.0, stop = 1.0, cells = 100 }"
        ),
        "describes a detector of 10,000,000 cells, but holds only",
    ),
    "brackets": (lambda h: h.update(detector="a = " + 10**5 * "["), "nested too deeply"),
    "dots": (lambda h: h.update(detector=10**5 * "a." + "a = 1"), "dots outside numbers"),
    "text": (lambda h: h.update(provenance={"a": 1}), "is not a model of phys_gan"),
}


@pytest.mark.parametrize("lie", LIES)
def test_headers_that_lie(saved: Path, tmp_path: Path, lie: str) -> None:
    change, words = LIES[lie]
    path = tmp_path / "m.safetensors"
    save_file(load_file(saved), path, with_header(saved, change))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, words)
    # In kB: what was refused took next to nothing.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"format": "a", "format": "b"}', "is not a model of phys_gan"),
        (10**5 * "[", "is not a model of phys_gan"),
        ('{"format": NaN}', "is not a model of phys_gan"),
        ("\x00", "is not a model of phys_gan"),
        ("9" * 10_000, "is not a model of phys_gan"),
    ],
)
def test_headers_that_are_none(saved: Path, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "m.safetensors"
    save_file(load_file(saved), path, {"phys_gan": text})
    refused(path, words)


def test_a_name_that_is_there_twice(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    text = json.dumps(header_of(saved)).replace('"width": 32', '"width": 32, "width": 32')
    save_file(load_file(saved), path, {"phys_gan": text})
    refused(path, "is not a model of phys_gan")


ENTRY = "generator.entry.weight"
TENSORS: dict[str, tuple[Callable[[dict[str, torch.Tensor]], object], str]] = {
    "lacking": (lambda t: t.pop(ENTRY), f"it lacks '{ENTRY}'"),
    "one more": (lambda t: t.update({"generator.x": torch.ones(1)}), "'generator.x' has no place"),
    "of no part": (lambda t: t.update({"../../x": torch.ones(1)}), "'../../x' has no place"),
    "shape": (lambda t: t.update({ENTRY: torch.ones(3, 3)}), "is F32 [3, 3] instead of F32 [32,"),
    "integers": (lambda t: t.update({ENTRY: t[ENTRY].int()}), "is I32 [32, "),
    "doubles": (lambda t: t.update({ENTRY: t[ENTRY].double()}), "is F64 [32, "),
    "half ranges": (
        lambda t: t.update({"encoding.ranges": t["encoding.ranges"].half()}),
        "'encoding.ranges' is F16 [1, 2] instead of F64 [1, 2]",
    ),
    "NaN": (lambda t: t[ENTRY].fill_(torch.nan), f"NaN or infinite numbers in '{ENTRY}'"),
    "infinite": (lambda t: t[ENTRY].fill_(torch.inf), f"NaN or infinite numbers in '{ENTRY}'"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_are_others(saved: Path, tmp_path: Path, case: str) -> None:
    change, words = TENSORS[case]
    path = tmp_path / "m.safetensors"
    tensors = load_file(saved)
    change(tensors)
    save_file(tensors, path, with_header(saved, lambda h: None))
    refused(path, words)


def declared(saved: Path, **entry: Any) -> bytes:
    """Return a file whose one tensor is declared as it is not."""
    header = {
        "__metadata__": with_header(saved, lambda h: None),
        ENTRY: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | entry,
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4)


@pytest.mark.parametrize(
    "entry",
    [
        {"shape": [10**12], "data_offsets": [0, 4 * 10**12]},
        {"shape": [2**40, 2**40]},
        {"shape": [2**63]},
        {"shape": [-1]},
        {"data_offsets": [4, 0]},
        {"dtype": "O"},
        {"shape": [10**12]},
    ],
)
def test_tensors_that_are_not_there(saved: Path, tmp_path: Path, entry: dict[str, Any]) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(declared(saved, **entry))
    refused(path, "is not a model of phys_gan")


@pytest.mark.parametrize("size", [2**63, 2**40, 50_000_000, 5])
def test_headers_of_another_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", size) + 100 * b"{")
    refused(path, "is not a model of phys_gan")


def test_no_tensor_is_left_without_memory(saved: Path) -> None:
    model = Model.load(saved)
    for module in (model.encoding, model.generator):
        tensors = [*module.parameters(), *module.buffers()]
        assert tensors
        assert not any(tensor.is_meta or tensor.requires_grad for tensor in tensors)


NETWORKS: dict[str, tuple[Any, Any, str]] = {
    "compact": (CompactConfig(width=16), ShowerEncodingConfig(cells="scores"), "calochallenge-2"),
    "autoencoder": (
        AutoencoderConfig(width=16, neighbours=3, spread="orbit"),
        ShowerEncodingConfig(),
        "calogan",
    ),
    "stacked": (
        StackedConfig(energies=MlpConfig(width=8, components=3), cells=CompactConfig(width=16)),
        ShowerEncodingConfig(),
        "calogan",
    ),
    "mlp": (
        MlpConfig(width=8, norm="virtual-batch", frequencies=4),
        StandardEncodingConfig(),
        "toy-grid",
    ),
    "dcgan": (DcganConfig(width=4), ImageEncodingConfig(), "galaxies-32"),
    "sagan": (SaganConfig(width=8), ImageEncodingConfig(), "galaxies-32"),
    "stylegan": (StyleGanConfig(width=4), ImageEncodingConfig(), "galaxies-32"),
    "progressive": (ProgressiveConfig(width=4), ImageEncodingConfig(), "galaxies-32"),
    "translator": (TranslatorConfig(width=16), ShowerEncodingConfig(), "calogan"),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_comes_back(tmp_path: Path, kind: str) -> None:
    config, options, detector = NETWORKS[kind]
    encoding = build_encoding(options, pg.load_detector(detector))
    generator = build_generator(config, encoding.detector, Sizes.of(encoding)).eval()
    Model(encoding, options, generator, config, {}).save(tmp_path / "m.safetensors")
    back = Model.load(tmp_path / "m.safetensors").generator
    z, c = (
        torch.randn(3, generator.source + generator.latent),
        torch.randn(3, encoding.n_conditions),
    )
    assert torch.equal(back(z, c), generator(z, c))
    assert not any(tensor.is_meta for tensor in (*back.parameters(), *back.buffers()))


def test_a_model_outlives_its_file(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(saved.read_bytes())
    model = Model.load(path)
    path.write_bytes(b"")
    assert pg.FastSim(model).generate({"energy": [2e4]}, seed=1).cells.any()


def test_random_numbers_of_the_user_are_left_alone(saved: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    Model.load(saved)
    assert torch.equal(torch.rand(3), expected)


def test_no_pickle_is_ever_read(saved: Path) -> None:
    code = """
import pickle, sys
def refuse(*_, **__):
    raise AssertionError("a pickle is read")
pickle.load = pickle.loads = pickle.Unpickler = refuse
import torch
torch.load = refuse
import phys_gan as pg
print(len(pg.FastSim.load(sys.argv[1]).generate({"energy": [2e4]}, seed=1)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
