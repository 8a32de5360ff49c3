"""What a run goes on from, whatever was done to its checkpoints and to its process."""

import math
import os
import signal
import warnings
from contextlib import suppress

import pytest
import torch

import phys_gan as pg
from benchmarks.killing import same
from helpers import SMALL_SHOWERS, lines
from phys_gan.errors import ConfigError, DataError, RangeError
from phys_gan.training import Unfinished
from phys_gan.training.loop import ShortageError, shortage_explained, train
from phys_gan.training.methods.adversarial import Adversarial
from phys_gan.training.run import Damaged, Run, load_checkpoint, save_checkpoint
from phys_gan.training.stopping import Stopping
from phys_gan.validation import physics_score
from phys_gan.workflows import demo_sample

GEANT4 = pg.read(demo_sample())
SMALL = (*SMALL_SHOWERS, "training.decay=none")


def run(out, *overrides, **options):
    recipe = pg.load_recipe("showers", [*SMALL, *overrides])
    return train(recipe, GEANT4[:600], GEANT4[600:800], out, physics_score, **options)


def reported(out):
    """Return what a run reported, but for the time that it took."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines(out)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the directory of a run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    run(out)
    return out


def at(wanted, action):
    """Return a report that does something once so many events have been shown."""

    def report(shown, line):
        if shown == wanted:
            action()

    return report


def flip(path, place=-9):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.fixture(autouse=True)
def interruptible():
    """Let Ctrl-C interrupt, also where the tests themselves run in the background without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# 832 and 192 lie between two reports; the step after 896 is one.
@pytest.mark.parametrize(("name", "shown"), [("SIGTERM", 832), ("SIGUSR1", 896), ("SIGINT", 192)])
def test_a_signal_leaves_a_checkpoint_of_that_step(tmp_path, whole, name, shown):
    before = signal.getsignal(getattr(signal, name))
    send = at(shown, lambda: os.kill(os.getpid(), getattr(signal, name)))
    # The report comes after the pulse: the step after it is the last.
    with pytest.raises(Unfinished, match=rf"of 1,280 events because {name} came.*--resume"):
        run(tmp_path, report=send)
    assert signal.getsignal(getattr(signal, name)) is before
    assert load_checkpoint(tmp_path / "checkpoint.safetensors")["shown"] == shown + 64
    run(tmp_path, resume=True)
    assert same(whole, tmp_path) == []
    assert reported(tmp_path) == reported(whole)


def test_a_loop_over_trainings_ends_at_a_signal(tmp_path):
    def loop():
        for name in ("a", "b"):
            with suppress(Exception):
                run(tmp_path / name, report=at(640, lambda: signal.raise_signal(signal.SIGTERM)))

    with pytest.raises(Unfinished):
        loop()
    assert not (tmp_path / "b").exists()


def test_the_second_signal_does_what_it_always_did():
    with Stopping() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopping.reason == "SIGINT came"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with Stopping() as stopping:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert stopping.reason is None
    finally:
        signal.signal(signal.SIGUSR1, before)


class Clock:
    """A clock that goes on by a second each time that somebody looks at it."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 1.0
        return self.now


def test_the_wall_time_is_kept_and_costs_nothing(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr("phys_gan.training.stopping.time", clock)
    endless = "training.events=100_000_000"
    with pytest.raises(Unfinished, match="wall time is nearly over") as stop:
        run(tmp_path, endless, deadline=50.0)
    # Over in time, with a margin of two steps and the time that a process needs to end.
    assert 40 < clock.now < 50
    state = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert state["shown"] == stop.value.shown
    with pytest.raises(Unfinished):
        run(tmp_path, endless, resume=True, deadline=clock.now)
    assert load_checkpoint(tmp_path / "checkpoint.safetensors")["shown"] == stop.value.shown + 64


def test_a_training_that_ends_on_time_is_finished(tmp_path, whole):
    run(tmp_path, report=at(1216, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    assert same(whole, tmp_path) == []


class Killed(Exception):
    """Stands for whatever ends a process."""


def kill():
    raise Killed


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "in between"])
def test_the_checkpoint_before_steps_in(tmp_path, whole, damage):
    with pytest.raises(Killed):
        run(tmp_path, report=at(1024, kill))
    last = tmp_path / "checkpoint.safetensors"
    if damage == "flipped":
        flip(last)
    elif damage == "cut":
        last.write_bytes(last.read_bytes()[:1000])
    elif damage == "gone":
        last.unlink()
    else:
        # Killed between two renamings, and while reporting and writing.
        last.replace(tmp_path / "checkpoint-new.safetensors")
        (tmp_path / ".checkpoint-new.77.safetensors").write_bytes(b"half")
        with (tmp_path / "stats.jsonl").open("a") as file:
            file.write('{"events": 12')
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run(tmp_path, resume=True)
    said = [str(warning.message) for warning in said if warning.category is Damaged]
    assert len(said) == (damage in ("flipped", "cut"))
    if said:
        assert said[0].startswith("'checkpoint.safetensors' in")
        assert "going on from 'checkpoint-1.safetensors', after 640 events" in said[0]
    assert same(whole, tmp_path) == []
    assert reported(tmp_path) == reported(whole)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in whole.iterdir()}


def test_when_all_checkpoints_are_damaged(tmp_path):
    run(tmp_path)
    for name in ("checkpoint.safetensors", "checkpoint-1.safetensors"):
        flip(tmp_path / name)
    model = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(DataError, match=r"every checkpoint in .* is damaged: .*train again in ano"):
        run(tmp_path, resume=True)
    assert (tmp_path / "model.safetensors").read_bytes() == model


def test_so_many_are_kept(tmp_path):
    folder = Run(tmp_path, resume=False, keep=3)
    for shown in range(5):
        folder.save({"shown": shown})
    found = {path.name: load_checkpoint(path)["shown"] for path in tmp_path.iterdir()}
    assert found == {
        "checkpoint.safetensors": 4,
        "checkpoint-1.safetensors": 3,
        "checkpoint-2.safetensors": 2,
    }


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    with pytest.raises(Killed):
        run(tmp_path, report=at(704, kill))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(pg.errors.OutputError, match="No space left"):
            run(tmp_path, resume=True)
    assert load_checkpoint(tmp_path / "checkpoint.safetensors")["shown"] == 640


def test_losses_that_are_not_finite_stop_it_at_once(tmp_path, monkeypatch):
    step, shown = Adversarial.step, []

    def spoilt(self, x, c, rate, shown):
        scalars = step(self, x, c, rate, shown)
        return scalars | ({"loss_g": scalars["loss_g"] * math.nan} if shown == 704 else {})

    monkeypatch.setattr(Adversarial, "step", spoilt)
    with pytest.raises(RangeError, match=r"no longer finite after 768 events.*lower training.lr_g"):
        run(tmp_path, report=lambda events, line: shown.append(events))
    assert shown[-1] == 704
    assert load_checkpoint(tmp_path / "checkpoint.safetensors")["shown"] == 640
    assert [line["events"] for line in reported(tmp_path)] == [320, 640]


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError("Unable to allocate 3 GiB"),
    ],
)
def test_too_little_memory_is_said(error):
    with (
        pytest.raises(ShortageError, match=r"steps of 64 events; choose a smaller training.b"),
        shortage_explained(64),
    ):
        raise error


def test_other_errors_are_not_taken_for_memory():
    with pytest.raises(RuntimeError, match="shapes"), shortage_explained(64):
        raise RuntimeError("shapes do not fit")


def test_devices_that_are_not_there(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there are some")
    with pytest.raises(ConfigError, match=r"1 CUDA device is asked for, and .* none; choose"):
        run(tmp_path / "run", device="cuda")


def test_another_number_of_processes_is_refused(tmp_path):
    run(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    state = load_checkpoint(path)
    save_checkpoint(path, {**state, "processes": 2})
    with pytest.raises(ConfigError, match=r"began with 2 processes, not 1.*resume with 2 devices"):
        run(tmp_path, resume=True)


def test_lower_precision_goes_with_gradient_penalties(tmp_path, whole):
    run(tmp_path, "training.precision=bfloat16", "training.report_every=1280")
    (line,) = reported(tmp_path)
    assert line["r1"] > 0
    assert line["score"] == pytest.approx(reported(whole)[-1]["score"], rel=0.05)
    assert same(whole, tmp_path) != []


def test_accumulated_gradients_survive(tmp_path):
    options = ("training.accumulate=3",)
    run(tmp_path / "whole", *options)
    with pytest.raises(Unfinished):
        run(
            tmp_path / "broken",
            *options,
            report=at(640, lambda: os.kill(os.getpid(), signal.SIGTERM)),
        )
    state = load_checkpoint(tmp_path / "broken" / "checkpoint.safetensors")["method"]
    assert state["generator"]["pending"] == 2
    run(tmp_path / "broken", *options, resume=True)
    assert same(tmp_path / "whole", tmp_path / "broken") == []


def test_a_second_training_in_the_same_directory_is_refused(tmp_path):
    def again():
        with pytest.raises(ConfigError, match=r"another process trains in .*; wait"):
            run(tmp_path, resume=True)

    run(tmp_path, report=at(640, again))
    assert len(reported(tmp_path)) == 4


@pytest.mark.slow
def test_killed_again_and_again(tmp_path):
    from benchmarks.killing import _RECIPE, killed

    recipe = [*_RECIPE, "training.events=150000", "training.report_every=3200"]
    sample = str(demo_sample())
    for name, kills in (("whole", 0), ("broken", 20)):
        for _ in killed(tmp_path / name, sample, recipe, kills, 8.0, "KILL", 1):
            pass
    assert same(tmp_path / "whole", tmp_path / "broken") == []
