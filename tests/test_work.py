"""Work in threads: in order, bounded, and with errors that reach the caller."""

import threading
import time

import pytest

from phys_gan.work import parallel_map, read_ahead


@pytest.mark.parametrize("threads", [None, 1, 2, 5])
def test_results_come_in_order(threads: int | None) -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number**2

    assert list(parallel_map(work, range(40), threads)) == [n**2 for n in range(40)]
    assert list(parallel_map(work, [], threads)) == []


def test_little_is_under_way_at_any_time() -> None:
    taken = []

    def pieces():
        for number in range(100):
            taken.append(number)
            yield number

    for done in parallel_map(lambda n: n, pieces(), 3):
        assert len(taken) <= done + 1 + 2 * 3 + 1


def test_an_error_reaches_the_caller_and_ends_the_work() -> None:
    done = []
    with pytest.raises(ZeroDivisionError):
        list(parallel_map(lambda n: done.append(1 / n), range(1000), 2))
    assert len(done) < 20


def test_several_threads_work() -> None:
    barrier = threading.Barrier(2, timeout=20)
    list(parallel_map(lambda _: barrier.wait(), range(2), 2))


def test_the_next_item_is_made_while_one_is_used() -> None:
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    seen = []
    for item in read_ahead(items()):
        assert made.wait(20)
        seen.append(item)
    assert seen == [1, 2]
    assert list(read_ahead(iter(()))) == []
