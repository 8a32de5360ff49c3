"""phys-gan split, from files to files."""

import numpy as np

import phys_gan as pg
from helpers import SMALL_SHOWERS


def test_split(run, tmp_path):
    source = tmp_path / "a.h5"
    pg.write(source, pg.simulate("calogan", 100, seed=1, threads=1))
    learn, test = tmp_path / "learn.h5", tmp_path / "test.root"
    code, out, _ = run("split", source, learn, test, "--shares", "0.7,0.3", "--seed", 2)
    assert code == 0
    n = len(pg.read(learn))
    assert n + len(pg.read(test)) == 100
    assert out.splitlines() == [
        f"Wrote {n} events to {learn}",
        f"Wrote {100 - n} events to {test}",
    ]


def test_wrong_ways_to_split(run, tmp_path):
    source = tmp_path / "a.h5"
    pg.write(source, pg.simulate("calogan", 100, seed=1, threads=1))
    for arguments, words in (
        ((source, tmp_path / "b.h5"), "2 files are named, and 2 of them are to be written"),
        ((source, "b.h5", "c.h5", "--shares", "much,little"), "'much,little' are not fractions"),
        ((source, tmp_path / "b.h5", tmp_path / "c.h5", "--shares", "0.7,0.2"), "add up to 1"),
    ):
        code, _, said = run("split", *arguments)
        assert code == 2
        assert words in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_copies_that_leave_the_shares_wrong_are_said(run, tmp_path):
    sample = pg.simulate("calogan", 10, seed=1, threads=1)
    source, learn, test = (tmp_path / f"{name}.h5" for name in ("a", "learn", "test"))
    pg.write(source, sample[np.repeat(np.arange(10), 4)])
    code, out, said = run("split", source, learn, test, "--shares", "0.75,0.25")
    assert code == 0
    assert out == f"Wrote 32 events to {learn}\nWrote 8 events to {test}\n"
    assert said == (
        "phys-gan: the parts have 32 and 8 events instead of 30 and 10: copies stay together, and "
        "one event is there 4 times; remove copies, or choose other shares\n"
    )
    code, _, said = run("split", source, learn, test, "--shares", "0.8,0.2")
    assert (code, said) == (0, "")
    pg.write(source, sample[np.zeros(40, int)])
    code, _, said = run("split", source, learn, test)
    assert code == 2
    assert "40 events are too few" in said
    assert "without copies they are 1; give more events" in said


def test_training_says_what_copies_make_of_its_held_out_events(run, tmp_path):
    sample = pg.simulate("calogan", 100, seed=1, threads=1)
    often = np.concatenate([np.zeros(300, int), np.arange(100)])
    pg.write(tmp_path / "a.h5", sample[often])
    overrides = [word for text in SMALL_SHOWERS for word in ("--set", text)]
    for share, words in (("0.2", ""), ("0.5", "one event is there 301 times")):
        code, _, said = run(
            *("train", "showers", "--data", tmp_path / "a.h5", "--out", tmp_path / share),
            *(*overrides, "--set", "training.events=64", "--set", f"training.held_out={share}"),
        )
        assert code == 0
        assert words in said
        assert ("copies stay together" in said) == bool(words)
