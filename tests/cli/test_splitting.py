"""phys-gan split, from files to files."""

import phys_gan as pg


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
        ((source, "b.h5", "c.h5", "--shares", "much,little"), "'much,little' are no shares"),
        ((source, tmp_path / "b.h5", tmp_path / "c.h5", "--shares", "0.7,0.2"), "add up to 1"),
    ):
        code, _, said = run("split", *arguments)
        assert code == 2
        assert words in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
