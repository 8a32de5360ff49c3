"""Productions on Dask workers: the same file, whoever dies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import phys_gan as pg
from phys_gan import cli
from phys_gan.errors import ConfigError, OutputError
from phys_gan.validation import Options
from phys_gan.validation.sample import measure_sample
from phys_gan.workflows.cluster import Cluster, connect, require_shared
from phys_gan.workflows.production import Production, _write_shared, produce
from phys_gan.workflows.validation import measure_on, validate

pytest.importorskip("distributed")

FAST = pg.FastSim.load("calogan-eplus", "cpu")
ENERGY = np.linspace(2e3, 9e4, 500)
SIZES = {"block": 50, "part": 100}


@pytest.fixture(scope="module")
def workers() -> Iterator[Cluster]:
    with connect("local:2") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("whole") / "whole.h5"
    threads = torch.get_num_threads()
    # Dask gives each worker one thread for its matrices.
    torch.set_num_threads(1)
    produce(FAST, out, {"energy": ENERGY}, seed=5, **SIZES)
    torch.set_num_threads(threads)
    return out.read_bytes()


def dying_at_the_first_block(marker: Path) -> Callable[[], None]:
    """Return what makes a worker die in the middle of the first part that is written."""

    def prepare() -> None:
        import os
        import signal

        from phys_gan.workflows.production import Production

        write_part = Production.write_part

        def dying(self: Production, number: int) -> None:
            def die(done: int) -> None:
                if not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)

            write_part(self, number, report=die)

        Production.write_part = dying

    return prepare


def test_a_worker_is_killed_in_the_middle_of_a_part(
    workers: Cluster, whole: bytes, tmp_path: Path
) -> None:
    out, marker = tmp_path / "out.h5", tmp_path / "died"
    workers.client.run(dying_at_the_first_block(marker))
    told: list[int] = []
    count = produce(
        FAST,
        out,
        {"energy": ENERGY},
        seed=5,
        cluster=workers,
        device="cpu",
        report=told.append,
        **SIZES,
    )
    assert count == 500
    assert told == [100, 200, 300, 400, 500]
    assert marker.exists()
    assert out.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["died", "out.h5"]


def test_weights_in_parts_whoever_writes_them(workers: Cluster, tmp_path: Path) -> None:
    weights = np.linspace(-1, 2, 500)
    given = {"weights": weights, "seed": 5, **SIZES}

    def fail(done: int) -> None:
        if done == 200:
            raise KeyboardInterrupt

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    produce(FAST, tmp_path / "whole.h5", {"energy": ENERGY}, **given)
    with pytest.raises(KeyboardInterrupt):
        produce(FAST, tmp_path / "broken.h5", {"energy": ENERGY}, report=fail, **given)
    produce(FAST, tmp_path / "broken.h5", {"energy": ENERGY}, resume=True, **given)
    torch.set_num_threads(threads)
    out = tmp_path / "spread.h5"
    produce(FAST, out, {"energy": ENERGY}, cluster=workers, device="cpu", **given)
    assert pg.read(out).weights.tobytes() == weights.tobytes()
    for name in ("broken", "spread"):
        assert (tmp_path / f"{name}.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_broken_off_and_gone_on_with_elsewhere(
    workers: Cluster, whole: bytes, tmp_path: Path
) -> None:
    def fail(done: int) -> None:
        if done == 200:
            raise KeyboardInterrupt

    for first, then in ((workers, None), (None, workers)):
        out = tmp_path / "out.h5"
        given = {"seed": 5, "block": 50, "device": "cpu"}
        with pytest.raises(KeyboardInterrupt):
            produce(FAST, out, {"energy": ENERGY}, cluster=first, part=100, report=fail, **given)
        told: list[int] = []
        produce(
            FAST,
            out,
            {"energy": ENERGY},
            cluster=then,
            resume=True,
            report=told.append,
            **given,
        )
        # Workers may have finished parts that the broken-off run never heard of.
        assert told[0] in (range(100, 501, 100) if first else (100,))
        assert out.read_bytes() == whole
        out.unlink()


def test_conditions_keep_their_names(workers: Cluster, tmp_path: Path) -> None:
    out, theta = tmp_path / "out.h5", np.linspace(0, 1, 200)
    # The first condition is not the first by name.
    conditions = {"theta": theta, "energy": ENERGY[:200]}
    produce(FAST, out, conditions, block=50, part=100, cluster=workers, device="cpu")
    events = pg.read(out)
    np.testing.assert_allclose(events.energy, ENERGY[:200], rtol=1e-7)
    np.testing.assert_allclose(events.conditions["theta"], theta, rtol=1e-7)


def test_one_part_alone(
    workers: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    one, other = tmp_path / "one.h5", tmp_path / "other.h5"
    address = workers.client.scheduler.address
    for out, more in ((one, ["--cluster", address, "--resume"]), (other, [])):
        command = ["generate", "calogan-eplus", out, "-n", 70, "--device", "cpu", *more]
        monkeypatch.setattr(sys, "argv", ["phys-gan", *map(str, command)])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
    assert f"{address}: 2 workers" in capsys.readouterr().err
    assert one.read_bytes() == other.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_an_error_on_a_worker_arrives_as_it_is(workers: Cluster, tmp_path: Path) -> None:
    def full(place: int) -> int:
        from phys_gan.errors import OutputError

        if place == 1:
            raise OutputError("the disk is full", remedy="free space", value=place)
        return place

    with pytest.raises(OutputError, match="the disk is full; free space") as caught:
        list(workers.each(full, [0, 1, 2], retries=0))
    assert caught.value.value == 1

    def foreign(place: int) -> None:
        raise ModuleNotFoundError("No module named 'phys_gan'")

    with pytest.raises(ConfigError, match=r"the workers of 'local:2' cannot run this phys_gan \(N"):
        list(workers.each(foreign, [0], retries=0))


def test_what_a_worker_must_see(tmp_path: Path) -> None:
    manifest = Production.plan(FAST, tmp_path / "out.h5", {"energy": ENERGY}).manifest
    with pytest.raises(ConfigError, match=r"does not see '.*production\.json'; use a folder that"):
        _write_shared(0, out=tmp_path / "out.h5", manifest=manifest, run=("cpu", "float32", False))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match=r"runs phys_gan .*, not 0\.0\.1; install the same vers"):
        require_shared(tmp_path, "0.0.1")


def files(folder: Path, n: int, seed: int) -> str:
    events = FAST.generate({"energy": np.linspace(2e3, 9e4, n)}, seed=seed)
    for k in range(8):
        pg.write(folder / f"{seed}-{k}.h5", events[k * n // 8 : (k + 1) * n // 8])
    return str(folder / f"{seed}-*.h5")


def test_what_is_measured_in_eight_parts_is_the_same(workers: Cluster, tmp_path: Path) -> None:
    reference, candidate = files(tmp_path, 480, 1), files(tmp_path, 400, 2)
    told: list[tuple[str, int]] = []
    texts = []
    for name, cluster in (("one", None), ("eight", workers)):
        # The report is the same work for both: as little of it as there is.
        options = Options(1, ["E_tot/E_inc", "depth"], slices=(), multivariate=False)
        validate(
            reference,
            {"fast": candidate},
            tmp_path / name,
            options=options,
            figures=False,
            cluster=cluster,
            report=lambda *said: told.append(said),
        )
        texts.append((tmp_path / name / "metrics.json").read_text("utf-8"))
    assert texts[0] == texts[1]
    assert told.count(("measuring reference", 480)) == 2
    assert ("measuring reference", 60) in told
    given = {"seed": 1, "kept_bytes": 4 * 504 * 100, "max_events": 300}
    there = measure_on(workers, pg.blocks(reference), "a", parts=8, **given)
    here = measure_sample(pg.blocks(reference), "a", **given)
    assert len(there) == 300
    np.testing.assert_array_equal(there.layer_energies, here.layer_energies)
    np.testing.assert_array_equal(there.rows, here.rows)
    np.testing.assert_array_equal(there.kept.cells, here.kept.cells)
    np.testing.assert_array_equal(there.profiles.cells.error, here.profiles.cells.error)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://127.0.0.1:1", "there is no Dask scheduler at 'tcp://127.0.0.1:1'; give its addr"),
        ("tcp:nonsense", "there is no Dask scheduler at 'tcp:nonsense'; give its address"),
        ("local:none", "'none' is not a number of worker processes; write 'local:4'"),
        ("local:0", "'0' is not a number of worker processes"),
    ],
)
def test_no_cluster(address: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words), connect(address, timeout=0.2):
        pass


def test_translations_are_made_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "phys-gan",
        "generate",
        "calogan-eplus",
        "a.h5",
        "--translate",
        "b.h5",
        "--cluster",
        "local",
    ]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "--cluster goes with -n and --like; leave it out" in capsys.readouterr().err


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ConfigError, match=r"Dask is not installed; pip install 'phys_gan\[cluster"),
        connect("local"),
    ):
        pass


def test_all_workers_have_parts(tmp_path: Path) -> None:
    energy = np.full(1_000_000, 5e4)
    planned = Production.plan(FAST, tmp_path / "out.h5", {"energy": energy})
    assert planned.n_parts == 8
    for n_workers, parts in ((0, 21), (4, 21), (20, 62)):
        workers = dict.fromkeys(range(n_workers))
        client = SimpleNamespace(scheduler_info=lambda n_workers, w=workers: {"workers": w})
        smaller = planned.spread(Cluster(client, "many").n_tasks)
        assert smaller.n_parts == parts
        assert smaller.manifest.part % 8192 == 0
        assert smaller.manifest.digest == planned.manifest.digest
    few = Production.plan(FAST, tmp_path / "out.h5", {"energy": energy[:1000]})
    assert few.spread(16).n_parts == 1


@pytest.mark.slow
def test_workers_are_killed_again_and_again(tmp_path: Path) -> None:
    import os
    import signal

    energy = np.linspace(2e3, 9e4, 200_000)
    produce(FAST, tmp_path / "whole.h5", {"energy": energy}, seed=5)
    killed = []
    with connect("local:2") as cluster:

        def kill(done: int) -> None:
            # A part that meets a fourth kill counts as deadly itself.
            if done >= 50_000 * (len(killed) + 1) and len(killed) < 3:
                killed.append(done)
                pids = cluster.client.run(os.getpid)
                os.kill(pids[min(pids)], signal.SIGKILL)

        produce(FAST, tmp_path / "out.h5", {"energy": energy}, seed=5, cluster=cluster, report=kill)
    assert len(killed) == 3
    assert (tmp_path / "out.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.slow
def test_a_part_that_kills_every_worker(tmp_path: Path) -> None:
    def deadly(place: int) -> None:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    with (
        connect("local:2") as cluster,
        pytest.raises(OutputError, match="one task killed 4 workers of 'local:2', one after the"),
    ):
        list(cluster.each(deadly, [0]))
