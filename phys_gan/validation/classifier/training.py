"""Train a classifier: split, shuffle, keep the best epoch of the validation events."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from phys_gan.errors import ConfigError
from phys_gan.randomness import stream
from phys_gan.validation.classifier.network import Network
from phys_gan.validation.classifier.scaling import fit_scaling
from phys_gan.validation.classifier.settings import Settings

__all__ = ["FOLDS", "Parts", "Report", "predict", "silent", "split", "to_device", "train"]

Report = Callable[[int, int], None]
"""Is told how many epochs of how many are done."""

FOLDS = 5
"""Trainings whose tests share no event."""

_ROWS = 8192
"""Events that are classified at a time."""

_WIDE = 512
"""Nodes of a layer from which on several threads are faster than one."""


def silent(done: int, total: int) -> None:
    """Report nothing."""


class Parts(NamedTuple):
    """Numbers of the events to learn from, to choose the epoch by, and to judge with."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def split(n: int, number: int, seed: int) -> Parts:
    """Divide n events 60/20/20, so that the tests of five trainings share no event.

    Training ``number`` is tested on one fifth of a random order, validated on the next one, and
    learns from the other three; each five trainings have an order of their own.

    Example:
        >>> [len(part) for part in split(100, 0, seed=1)]
        [60, 20, 20]
    """
    order = stream(seed, f"classifier/split {number // FOLDS}").permutation(n)
    fifths = np.array_split(order, FOLDS)
    test, validation, *others = (fifths[(number + i) % FOLDS] for i in range(FOLDS))
    return Parts(np.concatenate(others), validation, test)


def train(
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    parts: Parts,
    hidden: Sequence[int],
    settings: Settings,
    *,
    seed: int,
    device: torch.device,
    report: Report = silent,
    weights: NDArray[np.float64] | None = None,
) -> Network:
    """Train a network with Adam on the cross-entropy and return its best epoch.

    The best epoch is that of the lowest loss on the validation events; the test events are not
    looked at. The same arguments give the same network on a CPU (a wide one with the same number
    of threads), and the global random state of torch is left as it was.

    Arguments:
        inputs: Inputs, shape (N, F).
        labels: Classes from 0, shape (N,).
        n_classes: Number of classes. Two share one output, the logit of class 1.
        parts: Which events serve what.
        hidden: Nodes of the hidden layers.
        settings: Of the training.
        seed: Seed of weights and order.
        device: Where to train.
        report: Is told about epochs.
        weights: What each event counts in the loss, shape (N,), of any sign; the classes then are
            scaled to count the same in all. All events count the same when None.
    """
    scaling = fit_scaling(inputs, parts.train, whiten=settings.whiten)
    with _own_randomness(seed, device), _few_threads(max(hidden), device):
        network = Network(scaling, hidden, 1 if n_classes == 2 else n_classes, settings.dropout).to(
            device
        )
        x, y = torch.from_numpy(inputs).to(device), torch.from_numpy(labels).to(device)
        w = None
        if weights is not None:
            scaled = _class_balanced(weights, labels, parts)
            w = torch.from_numpy(scaled).float().to(device)
        _fit(network, x, y, w, parts, settings, stream(seed, "classifier/order"), report)
    return network.eval()


def _fit(
    network: Network,
    x: Tensor,
    y: Tensor,
    w: Tensor | None,
    parts: Parts,
    settings: Settings,
    order: np.random.Generator,
    report: Report,
) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr)
    best, best_epoch = math.inf, 0
    state = _copy(network)
    for epoch in range(settings.epochs):
        network.train()
        shuffled = torch.from_numpy(order.permutation(parts.train)).to(x.device)
        for rows in shuffled.split(settings.batch):
            loss = _cross_entropy(network(x[rows]), y[rows], None if w is None else w[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        current = _validation_loss(network, x, y, w, parts.validation)
        report(epoch + 1, settings.epochs)
        if current < best:
            best, best_epoch, state = current, epoch, _copy(network)
        elif settings.patience is not None and epoch - best_epoch >= settings.patience:
            break
    network.load_state_dict(state)
    report(settings.epochs, settings.epochs)


def predict(
    network: Network,
    inputs: NDArray[np.float32],
    output: Callable[[Network, Tensor], Tensor] = Network.forward,
) -> NDArray[np.float64]:
    """Return what a trained network says of inputs (N, F): logits, or another output of it."""
    network.eval()
    device = network.mean.device
    widest = max(len(p) for p in network.parameters())
    with torch.no_grad(), _few_threads(widest, device):
        parts = [
            output(network, torch.from_numpy(inputs[start : start + _ROWS]).to(device)).cpu()
            for start in range(0, max(len(inputs), 1), _ROWS)
        ]
    return np.asarray(torch.cat(parts).double().numpy(), np.float64)


def to_device(name: str) -> torch.device:
    """Return the device of this name.

    Raises:
        ConfigError: There is none.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or (device.type == "cuda" and not torch.cuda.is_available()):
        raise ConfigError(
            f"there is no device '{name}' here", remedy="use cpu, or cuda with a GPU", value=name
        )
    return device


def _class_balanced(
    weights: NDArray[np.float64], labels: NDArray[np.int64], parts: Parts
) -> NDArray[np.float64]:
    """Scale weights so that classes count the same in training and in validation."""
    scaled = weights.copy()
    for rows in parts[:2]:
        classes = np.unique(labels[rows])
        for label in classes:
            own = rows[labels[rows] == label]
            scaled[own] *= len(rows) / len(classes) / weights[own].sum()
    return scaled


def _cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    how = "mean" if weights is None else "none"
    if logits.shape[1] == 1:
        loss = functional.binary_cross_entropy_with_logits(
            logits[:, 0], labels.to(logits.dtype), reduction=how
        )
    else:
        loss = functional.cross_entropy(logits, labels, reduction=how)
    return loss if weights is None else (weights * loss).mean()


def _validation_loss(
    network: Network, x: Tensor, y: Tensor, w: Tensor | None, rows: NDArray[np.int64]
) -> float:
    network.eval()
    total = 0.0
    with torch.no_grad():
        for part in torch.from_numpy(rows).to(x.device).split(_ROWS):
            weights = None if w is None else w[part]
            total += float(_cross_entropy(network(x[part]), y[part], weights)) * len(part)
    return total / len(rows)


def _copy(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


@contextmanager
def _few_threads(widest: int, device: torch.device) -> Iterator[None]:
    """Work on small layers in one thread: several spend their time waiting for each other.

    On a busy machine that is ten times as long.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu" and widest < _WIDE:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch for the weights and for dropout, and put its state back afterwards."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else []):
        # torch.manual_seed would also seed GPUs that are none of our business.
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
