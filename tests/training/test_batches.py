"""Batches: every event once per epoch, symmetries applied, nothing but seed and step matters."""

import torch

from phys_gan.detectors import load_detector
from phys_gan.training.batches import ResidentBatches

GROUP = torch.from_numpy(load_detector("calogan").symmetry_group())


def batches(n=20, group=GROUP[:1], **options):
    x = torch.arange(n, dtype=torch.float32)[:, None] + torch.zeros(n, 3 + 504)
    return ResidentBatches(
        x, torch.arange(n, dtype=torch.float32)[:, None], 3, group, seed=4, **options
    )


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


def test_symmetries_are_those_of_the_detector():
    x = torch.arange(3 + 504, dtype=torch.float32).repeat(400, 1)
    source = ResidentBatches(x, torch.zeros(400, 1), 3, GROUP, seed=0)
    drawn, _ = source.draw(0, 400)
    assert torch.equal(drawn[:, :3], x[:, :3])
    found = {tuple((row[3:] - 3).int().tolist()) for row in drawn}
    assert found == {tuple(element.tolist()) for element in GROUP}
