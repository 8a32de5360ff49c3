"""Train a classifier: a multilayer perceptron on scaled inputs, with early stopping.

:class:`Settings` hold its options, :func:`fit_scaling` standardises or decorrelates the inputs, and
:func:`train` returns the best epoch of a :class:`Network` on the validation events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from phys_gan.errors import ConfigError
from phys_gan.metrics.classifier.scores import FOLDS
from phys_gan.metrics.statistics import Floats
from phys_gan.randomness import stream

_MAX_WHITENED = 2048
"""More inputs have a covariance that takes minutes to diagonalise."""
_EVENTS_PER_INPUT = 5
"""With fewer, directions of small variance are chance, and must not be blown up."""
_SMALLEST = 1e-9
"""Variance, relative to the largest, below which a direction is rounding of single precision."""
_FARTHEST = 10.0
"""Standard deviations at which a scaled input ends; a cell hit once in training lies far out."""

_BLOCK_VALUES = 2**22
_ROWS = 8192
"""Events that are classified at a time."""
_WIDE = 512
"""Nodes of a layer from which on several threads are faster than one."""

Report = Callable[[int, int], None]
"""Called with the number of epochs done, and of all."""


@dataclass(frozen=True)
class Settings:
    """Size and training of a classifier; the default is that of CaloChallenge.

    Attributes:
        layers: Hidden layers after the first one, which also has ``width`` nodes.
        width: Nodes of a hidden layer.
        dropout: Probability that a node is left out in training.
        whiten: Whether inputs are also decorrelated, not only standardised (:func:`fit_scaling`).
            What a network can express is the same; what it finds in a few epochs is not.
        lr: Learning rate of Adam.
        batch: Events of both samples in a batch.
        epochs: Passes over the training events; the best one on the validation events is kept.
        patience: Epochs without a better one after which training ends early; never when None.
        seeds: Trainings from different weights, each with other events for the test.
        max_events: Most events that are taken of either sample; all when None.
        planes: Channels of the stages of a convolutional network, in place of layers and width.
        blocks: Residual blocks in each stage.
        mean: Whether its channels are averaged over all cells at the end, or over parts of them.

    Raises:
        ConfigError: A value lies outside its range.
    """

    layers: int = 2
    width: int = 2048
    dropout: float = 0.0
    whiten: bool = False
    lr: float = 2e-4
    batch: int = 1000
    epochs: int = 50
    patience: int | None = None
    seeds: int = 3
    max_events: int | None = None
    planes: tuple[int, ...] = (32, 64, 64, 128)
    blocks: int = 2
    mean: bool = True

    def __post_init__(self) -> None:
        least = {"layers": 0, "width": 1, "batch": 2, "epochs": 1, "patience": 1, "seeds": 1}
        least["blocks"] = 1
        values = {name: getattr(self, name) for name in least}
        wrong = [
            (name, f">= {least[name]}")
            for name, value in values.items()
            if value is not None and value < least[name]
        ]
        if not 0 <= self.dropout < 1:
            wrong.append(("dropout", "from 0 to below 1"))
        if not self.lr > 0:
            wrong.append(("lr", "> 0"))
        if wrong:
            name, constraint = wrong[0]
            value = getattr(self, name)
            raise ConfigError(
                f"{name} = {value} of the classifier is not {constraint}",
                remedy="choose another value",
                value=value,
                constraint=constraint,
            )


CHALLENGE = Settings()
"""The network and the training of CaloChallenge (https://arxiv.org/abs/2410.21611); for a GPU."""

QUICK = Settings(
    layers=1,
    width=64,
    whiten=True,
    lr=1e-3,
    batch=250,
    patience=10,
    max_events=20_000,
    planes=(8, 16, 32),
    blocks=1,
    mean=False,
)
"""A small network on decorrelated inputs: seconds on one core."""

QUICK_CNN = replace(QUICK, batch=100, epochs=20, patience=5, seeds=1)
"""The same of convolutions: minutes on one core for 500 cells."""

PRESETS = {"challenge": CHALLENGE, "quick": QUICK}
"""Settings by name."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Map inputs x to ``(x - mean) * matrix`` or ``(x - mean) @ matrix``.

    Attributes:
        mean: Mean of the training events, shape (F,).
        matrix: Inverse standard deviations (F,), or whitening directions (F, K), K <= F.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]

    @property
    def whitens(self) -> bool:
        """Whether the inputs are decorrelated."""
        return self.matrix.ndim == 2

    @property
    def n_outputs(self) -> int:
        """Number of inputs that are left, K."""
        return int(self.matrix.shape[-1])


def fit_scaling(
    inputs: NDArray[np.float32], rows: NDArray[np.int64], *, whiten: bool = False
) -> Scaling:
    r"""Fit to the training events: mean 0, variance 1, and no correlation where whitened.

    A response that is off by 1 % moves :math:`\log_{10} E_\mathrm{tot} - \log_{10} E_\mathrm{inc}`
    by 0.004, where each of the two has the width 0.4 and both are almost equal. Gradient descent
    on standardised inputs does not find such a direction within usual numbers of epochs. Whitening
    (z = D^{-1/2} V^T x for the covariance V D V^T of standardised inputs) makes it an input of
    unit variance. The map is linear and keeps all directions, so that no network can express more
    or less after it.

    Inputs that are constant are not scaled. Whitening falls back to standardising for more than
    2048 inputs, or with fewer than 5 training events per input.

    ``rows`` are the training events among the inputs (N, F).

    Example:
        >>> x = np.random.default_rng(0).normal(3, 2, (1000, 2)).astype(np.float32)
        >>> scaling = fit_scaling(x, np.arange(1000))
        >>> bool(np.allclose(((x - scaling.mean) * scaling.matrix).std(axis=0), 1, atol=1e-3))
        True
    """
    n, n_inputs = len(rows), inputs.shape[1]
    mean = sum(block.sum(axis=0) for block in _blocks(inputs, rows)) / n
    variance = sum(np.square(block - mean).sum(axis=0) for block in _blocks(inputs, rows)) / n
    sigma = np.sqrt(variance)
    # In single precision a constant has the width of rounding.
    inverse = 1 / np.where(sigma > 1e-7 * np.abs(mean), sigma, 1.0)
    if not whiten or n_inputs > _MAX_WHITENED or n < _EVENTS_PER_INPUT * n_inputs:
        return Scaling(mean.astype(np.float32), inverse.astype(np.float32))
    covariance = np.zeros((n_inputs, n_inputs))
    for block in _blocks(inputs, rows):
        centred = (block - mean) * inverse
        covariance += centred.T @ centred / n
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _SMALLEST * values[-1]
    matrix = inverse[:, None] * vectors[:, kept] / np.sqrt(values[kept])
    return Scaling(mean.astype(np.float32), matrix.astype(np.float32))


def _blocks(inputs: NDArray[np.float32], rows: NDArray[np.int64]) -> Iterator[Floats]:
    size = max(1, _BLOCK_VALUES // inputs.shape[1])
    for start in range(0, len(rows), size):
        yield inputs[rows[start : start + size]].astype(np.float64)


class Network(nn.Module):
    """Scaled inputs, hidden layers with LeakyReLU, and linear outputs (logits).

    With three hidden layers of 2048 and one output this is the network of CaloChallenge.

    References:
        CaloChallenge 2022 (Krause et al., 2024), https://arxiv.org/abs/2410.21611

    Arguments:
        scaling: The map in front, fitted to the training events.
        hidden: Nodes of the hidden layers.
        n_outputs: Number of outputs.
        dropout: Probability that a hidden node is left out in training.

    Example:
        >>> import numpy as np
        >>> scaling = Scaling(np.zeros(5, np.float32), np.ones(5, np.float32))
        >>> network = Network(scaling, [8, 4], 1)
        >>> network(torch.ones(3, 5)).shape, network.features(torch.ones(3, 5)).shape
        (torch.Size([3, 1]), torch.Size([3, 4]))
    """

    mean: Tensor
    matrix: Tensor

    def __init__(
        self, scaling: Scaling, hidden: Sequence[int], n_outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(scaling.mean))
        self.register_buffer("matrix", torch.from_numpy(scaling.matrix))
        sizes = [scaling.n_outputs, *hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.LeakyReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(sizes[-1], n_outputs)

    @property
    def whitens(self) -> bool:
        """Whether the inputs are decorrelated."""
        return self.matrix.ndim == 2

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.mean.device

    def features(self, x: Tensor) -> Tensor:
        """Return the activations of the last hidden layer, shape (N, hidden[-1])."""
        x = x - self.mean
        x = x @ self.matrix if self.matrix.ndim == 2 else x * self.matrix
        features: Tensor = self.body(x.clamp(-_FARTHEST, _FARTHEST))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, n_outputs) of inputs (N, F)."""
        logits: Tensor = self.head(self.features(x))
        return logits


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


Trained = TypeVar("Trained", bound=nn.Module)


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
    weights: Floats | None = None,
) -> Network:
    """Train a network of hidden layers on scaled inputs, as :func:`train_network` does.

    Arguments are those of :func:`train_network` and:

    Arguments:
        inputs: Inputs, shape (N, F).
        labels: Classes from 0, shape (N,).
        n_classes: Number of classes. Two share one output, the logit of class 1.
        parts: Which events serve what.
        hidden: Nodes of the hidden layers.
        settings: Of the training.
        seed: Seed of weights and order.
        device: Where to train.
        report: Called after each epoch.
        weights: Weights in the loss, shape (N,), of any sign.
    """
    scaling = fit_scaling(inputs, parts.train, whiten=settings.whiten)
    n_outputs = 1 if n_classes == 2 else n_classes
    return train_network(
        lambda: Network(scaling, hidden, n_outputs, settings.dropout),
        inputs,
        labels,
        parts,
        settings,
        seed=seed,
        device=device,
        report=report,
        weights=weights,
        few_threads=max(hidden) < _WIDE,
    )


def train_network(
    make: Callable[[], Trained],
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    parts: Parts,
    settings: Settings,
    *,
    seed: int,
    device: torch.device,
    report: Report = silent,
    weights: Floats | None = None,
    few_threads: bool = False,
) -> Trained:
    """Train a network with Adam on the cross-entropy and return its best epoch.

    The best epoch is that of the lowest loss on the validation events; the test events are not
    looked at. The same arguments give the same network on a CPU (a wide one with the same number
    of threads), and the global random state of torch is left as it was.

    Arguments:
        make: Makes the network; its random numbers are those of ``seed``.
        inputs: Inputs, shape (N, F).
        labels: Classes from 0, shape (N,).
        parts: Which events serve what.
        settings: Of the training.
        seed: Seed of weights and order.
        device: Where to train.
        report: Called after each epoch.
        weights: Weights in the loss, shape (N,), of any sign; classes are scaled to equal sums.
        few_threads: Whether layers are so small that one thread is faster than several.
    """
    order = stream(seed, "classifier/order")
    with _own_randomness(seed, device), _few_threads(device, few=few_threads):
        network = make().to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr)
        x, y = torch.from_numpy(inputs).to(device), torch.from_numpy(labels).to(device)
        w = None
        if weights is not None:
            w = torch.from_numpy(_class_balanced(weights, labels, parts)).float().to(device)

        def loss(rows: Tensor) -> Tensor:
            return _cross_entropy(network(x[rows]), y[rows], None if w is None else w[rows])

        validation = torch.from_numpy(parts.validation).to(device).split(_ROWS)
        best, best_epoch, state = math.inf, 0, _copy(network)
        for epoch in range(settings.epochs):
            network.train()
            shuffled = torch.from_numpy(order.permutation(parts.train)).to(device)
            for rows in shuffled.split(settings.batch):
                value = loss(rows)
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
            network.eval()
            with torch.no_grad():
                total = sum(float(loss(rows)) * len(rows) for rows in validation)
            report(epoch + 1, settings.epochs)
            current = total / len(parts.validation)
            if current < best:
                best, best_epoch, state = current, epoch, _copy(network)
            elif settings.patience is not None and epoch - best_epoch >= settings.patience:
                break
        network.load_state_dict(state)
        report(settings.epochs, settings.epochs)
    return network.eval()


def predict(
    network: Any,
    inputs: NDArray[np.float32],
    output: Callable[[Any, Tensor], Tensor] | None = None,
) -> Floats:
    """Return the logits of a trained network, or another output of it, for inputs (N, F)."""
    network.eval()
    device = network.device
    few = max(len(p) for p in network.parameters()) < _WIDE
    output = output or type(network).forward
    with torch.no_grad(), _few_threads(device, few=few):
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


def _class_balanced(weights: Floats, labels: NDArray[np.int64], parts: Parts) -> Floats:
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


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


@contextmanager
def _few_threads(device: torch.device, *, few: bool) -> Iterator[None]:
    """Work on small layers in one thread: several spend their time waiting for each other.

    On a busy machine that is ten times as long.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu" and few:
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
        # torch.manual_seed would also seed the other GPUs.
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
