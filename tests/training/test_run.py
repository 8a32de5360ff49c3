"""Checkpoints hold nested states without a pickle."""

import pytest
import torch

from phys_gan.errors import DataError
from phys_gan.training.run import load_checkpoint, save_checkpoint


def test_there_and_back(tmp_path):
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {
        "optimizer": optimizer.state_dict(),
        "layer": layer.state_dict(),
        "noise": torch.Generator().manual_seed(3).get_state(),
        "shown": 7,
        "best": float("inf"),
        "shared": [layer.weight, layer.weight],
    }
    save_checkpoint(tmp_path / "c.safetensors", state)
    back = load_checkpoint(tmp_path / "c.safetensors")
    assert back["shown"] == 7
    assert back["best"] == float("inf")
    assert back["optimizer"]["state"].keys() == {0, 1}
    assert torch.equal(back["noise"], state["noise"])
    assert torch.equal(back["shared"][1], layer.weight)
    fresh = torch.optim.Adam(layer.parameters())
    fresh.load_state_dict(back["optimizer"])
    torch.testing.assert_close(
        fresh.state_dict()["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"]
    )


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", b"\x08" + bytes(100)])
def test_damaged(tmp_path, content):
    path = tmp_path / "c.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not a checkpoint, or is damaged"):
        load_checkpoint(path)


def test_every_flipped_bit_is_found(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"shown": 3, "weights": torch.arange(8.0), "name": '"sha256":"'})
    content = path.read_bytes()
    assert load_checkpoint(path)["name"] == '"sha256":"'
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(DataError, match="damaged"):
            load_checkpoint(path)


def test_every_cut_is_found(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"weights": torch.arange(4.0)})
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(DataError, match="damaged"):
            load_checkpoint(path)
