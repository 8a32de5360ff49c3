"""Batches: every event once per epoch, symmetries applied, nothing but seed and step matters."""

import numpy as np
import torch
from scipy import stats

from phys_gan.detectors import load_detector
from phys_gan.encodings import ShowerEncoding
from phys_gan.training.batches import ResidentBatches, Symmetries

ENCODING = ShowerEncoding(load_detector("calogan"))
NONE = Symmetries.of(ENCODING, np.arange(1))
GROUP = Symmetries.of(ENCODING, np.arange(4))


def batches(n=20, group=NONE, **options):
    x = torch.arange(n, dtype=torch.float32)[:, None] + torch.zeros(n, 3 + 504)
    c = torch.arange(n, dtype=torch.float32)[:, None]
    return ResidentBatches(x=x, c=c, symmetries=group, seed=4, **options)


def test_each_event_once_per_epoch():
    source = batches()
    epoch = torch.cat([source.draw(step, 5)[1] for step in range(4)]).flatten()
    assert sorted(epoch.tolist()) == list(range(20))
    following = torch.cat([source.draw(step, 5)[1] for step in range(4, 8)]).flatten()
    assert sorted(following.tolist()) == list(range(20))
    assert epoch.tolist() != following.tolist()


def test_a_batch_across_epochs_is_whole():
    x, c = batches(n=7).draw(1, 5)
    assert len(x) == len(c) == 5
    assert torch.equal(x[:, 0], c[:, 0])


def test_steps_can_be_drawn_in_any_order():
    first, again = batches(group=GROUP), batches(group=GROUP)
    for step in (3, 0):
        for a, b in zip(first.draw(step, 5), again.draw(step, 5), strict=True):
            assert torch.equal(a, b)


def test_ranks_share_an_epoch():
    parts = [batches(rank=rank, world=2) for rank in (0, 1)]
    seen = torch.cat([part.draw(step, 5)[1] for part in parts for step in (0, 1)]).flatten()
    assert sorted(seen.tolist()) == list(range(20))


WEIGHTS = np.random.default_rng(1).exponential(size=20)
WEIGHTS[[3, 11]] = 0


def test_events_are_drawn_by_their_weights():
    epochs = 300
    source = batches(weights=WEIGHTS)
    steps = [source.draw(step, 5)[1].flatten() for step in range(4 * epochs)]
    for epoch in range(0, 4 * epochs, 40):
        assert len(torch.cat(steps[epoch : epoch + 4])) == 20
    times = np.bincount(torch.cat(steps).int().numpy(), minlength=20)
    expected = WEIGHTS / WEIGHTS.mean()
    assert not times[expected == 0].any()
    # An epoch draws an event floor(w) or floor(w) + 1 times.
    rest = expected[expected > 0] % 1
    pulls = (times - epochs * expected)[expected > 0] / np.sqrt(epochs * rest * (1 - rest))
    assert (pulls**2).sum() < stats.chi2.isf(1e-3, len(rest))


def test_weighted_batches_of_any_step_and_rank_are_those_of_one_process():
    whole = batches(weights=WEIGHTS)
    parts = [batches(rank=rank, world=2, weights=WEIGHTS) for rank in (0, 1)]
    for step in (9, 0, 4):
        both = torch.cat([part.draw(step, 5)[0] for part in parts])
        assert torch.equal(both, whole.draw(step, 10)[0])


def test_equal_weights_show_each_event_once():
    source = batches(weights=np.full(20, 0.1))
    epoch = torch.cat([source.draw(step, 5)[1] for step in range(4)]).flatten()
    assert sorted(epoch.tolist()) == list(range(20))


def test_symmetries_are_those_of_the_detector():
    x = torch.arange(3 + 504, dtype=torch.float32).repeat(400, 1)
    c = torch.zeros(400, 1)
    source = ResidentBatches(x=x, c=c, symmetries=GROUP, seed=0)
    drawn, _ = source.draw(0, 400)
    assert torch.equal(drawn[:, :3], x[:, :3])
    found = {tuple((row[3:] - 3).int().tolist()) for row in drawn}
    assert found == {tuple(element.tolist()) for element in GROUP.cells}
