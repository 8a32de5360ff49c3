"""phys-gan generate --resume, as a batch system says it."""

import pytest

import phys_gan as pg
from phys_gan.workflows import production
from phys_gan.workflows.production import Production


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(production, "ALIGNED", 64)
    monkeypatch.setattr(production, "_PART_CELLS", 1)
    monkeypatch.setattr(production, "_BLOCKS", (32, 32))


def test_a_job_that_always_says_resume(run, tmp_path, monkeypatch):
    out = tmp_path / "fast.h5"
    command = ("generate", "calogan-eplus", out, "-n", 150, "--energy", "50GeV", "--device", "cpu")

    def full(self):
        raise pg.errors.OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Production, "finish", full)
        code, _, err = run(*command, "--resume")
    assert code == 2
    assert f"go on with --resume: 150 of 150 events are in '{out}.parts'" in " ".join(err.split())
    (tmp_path / "fast.h5.parts" / "000001.h5").unlink()

    code, _, err = run(*command)
    assert code == 2
    assert "holds 86 of 150 events of a production that broke off; go on with" in err
    code, _, err = run(*command, "--resume", "--seed", 1)
    assert code == 2
    assert "was begun with seed 0, not 1; ask for the same, or delete the folder" in err

    code, text, _ = run(*command, "--resume")
    assert code == 0
    assert "Wrote 150 events in 'calogan'" in text
    assert "86 were there" in text
    assert len(pg.read(out)) == 150
    code, text, _ = run(*command, "--resume")
    assert code == 0
    assert text.strip() == f"{out} holds these 150 events already: nothing to do"
    code, _, err = run(*command, "--resume", "--seed", 1)
    assert code == 2
    assert "is not the production that is asked for" in err
    assert run(*command, "--seed", 1)[0] == 0


def test_translations_are_made_at_once(run, tmp_path):
    code, _, err = run(
        "generate", "calogan-eplus", tmp_path / "a.h5", "--translate", "b.h5", "--resume"
    )
    assert code == 2
    assert "--resume goes with -n and --like" in err
