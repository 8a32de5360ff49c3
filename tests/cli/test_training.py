"""phys-gan train, as a batch system runs it."""

import pytest

from phys_gan.cli.training import parse_duration
from phys_gan.errors import ConfigError
from phys_gan.training.run import load_checkpoint
from phys_gan.workflows import demo_sample

SMALL = (
    "network.width=16",
    "network.depth=1",
    "network.d_width=16",
    "network.d_depth=1",
    "training.batch_size=32",
    "training.report_every=640",
)


@pytest.fixture
def train(run, tmp_path):
    """Return a function that trains a small recipe."""
    words = [word for option in SMALL for word in ("--set", option)]

    def command(events, *arguments):
        return run(
            "train", "showers", "--data", demo_sample(), "--out", tmp_path / "run", "--device",
            "cpu", *words, "--set", f"training.events={events}", *arguments,
        )  # fmt: skip

    return command


def test_a_job_with_too_little_time(train, tmp_path):
    path = tmp_path / "run" / "checkpoint.safetensors"
    code, _, err = train(640, "--wall-time", "0.01s")
    assert code == 85
    assert err.startswith("phys-gan: stopped after 32 of 640 events because its wall time is near")
    assert err.rstrip().endswith("go on with --resume")
    assert load_checkpoint(path)["shown"] == 32
    code, _, err = train(640)
    assert code == 2
    assert "holds a training run already; go on with --resume" in err
    code, said, _ = train(640, "--resume", "--wall-time", "1h")
    assert code == 0
    assert "The model is in" in said


def test_a_damaged_checkpoint_is_said_in_one_sentence(train, tmp_path):
    path = tmp_path / "run" / "checkpoint.safetensors"
    train(640, "--wall-time", "0.01s")
    train(640, "--wall-time", "0.01s", "--resume")
    path.write_bytes(path.read_bytes()[:-1])
    code, _, err = train(640, "--wall-time", "0.01s", "--resume")
    assert code == 85
    first, second = err.strip().splitlines()
    assert first.startswith("phys-gan: 'checkpoint.safetensors' in")
    assert first.endswith("going on from 'checkpoint-1.safetensors', after 32 events")
    assert second.startswith("phys-gan: stopped after 64 of 640 events")
    assert "Traceback" not in err
    for name in ("checkpoint", "checkpoint-1"):
        (tmp_path / "run" / f"{name}.safetensors").write_bytes(b"nothing")
    code, _, err = train(640, "--resume")
    assert code == 2
    assert "every checkpoint in" in err


def test_precision_is_an_option_of_the_recipe(run):
    code, said, _ = run("train", "showers", "--precision", "bfloat16", "--dry-run")
    assert code == 0
    assert 'precision = "bfloat16"' in said


@pytest.mark.parametrize("text", ["", "55", "m", "0s", "-1m", "1:00", "5 parsecs"])
def test_what_is_no_duration(text):
    with pytest.raises(ConfigError, match=r"is not a duration; write it like 55m"):
        parse_duration(text)
