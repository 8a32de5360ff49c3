from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from phys_gan.errors import ConfigError
from phys_gan.metrics.classifier import training
from phys_gan.metrics.classifier.training import (
    CHALLENGE,
    PRESETS,
    Network,
    Parts,
    Scaling,
    Settings,
    fit_scaling,
    predict,
    split,
    to_device,
    train,
)

SMALL = Settings(layers=0, width=8, lr=1e-2, batch=64, epochs=4)
CPU = torch.device("cpu")


def shifted(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    inputs = generator.normal(labels[:, None], 1, (n, 3)).astype(np.float32)
    return inputs, labels.astype(np.int64)


def trained(settings: Settings = SMALL, seed: int = 1, **changes: np.ndarray) -> Network:
    inputs, labels = shifted()
    inputs = changes.get("inputs", inputs)
    parts = split(len(inputs), 0, 3)
    return train(inputs, labels, 2, parts, [8, 4], settings, seed=seed, device=CPU)


def weights(network: Network) -> np.ndarray:
    return torch.cat([p.detach().ravel() for p in network.parameters()]).numpy()


def test_the_network_of_calochallenge() -> None:
    scaling = Scaling(np.zeros(30, np.float32), np.ones(30, np.float32))
    with torch.device("meta"):
        network = Network(scaling, [CHALLENGE.width] * (CHALLENGE.layers + 1), 1)
    kinds = [type(layer).__name__ for layer in network.body]
    assert kinds == ["Linear", "LeakyReLU"] * 3
    sizes = 30 * 2048 + 2048 + 2 * (2048**2 + 2048) + 2048 + 1
    assert sum(p.numel() for p in network.parameters()) == sizes
    assert (CHALLENGE.lr, CHALLENGE.batch, CHALLENGE.epochs) == (2e-4, 1000, 50)
    assert not CHALLENGE.dropout
    assert not CHALLENGE.whiten
    assert PRESETS["challenge"] is CHALLENGE


def test_gradients_reach_all_weights_and_far_inputs_are_bounded() -> None:
    scaling = Scaling(np.zeros(3, np.float32), np.eye(3, dtype=np.float32)[:, :2])
    network = Network(scaling, [5], 4, dropout=0.5).eval()
    assert network(torch.randn(7, 3)).shape == (7, 4)
    network(torch.randn(7, 3)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    far = torch.tensor([[1e3, -1e6, 0.0], [10.0, -10.0, 5.0]])
    torch.testing.assert_close(*network.features(far))


def test_parts_are_disjoint_and_tests_share_no_event() -> None:
    tests = []
    for number in range(5):
        parts = split(103, number, 7)
        assert sorted(np.concatenate(parts).tolist()) == list(range(103))
        assert [abs(len(part) - size) <= 3 for part, size in zip(parts, (62, 20, 20), strict=True)]
        tests.append(parts.test)
    assert sorted(np.concatenate(tests).tolist()) == list(range(103))
    assert split(103, 5, 7).test.tolist() != split(103, 0, 7).test.tolist()
    assert split(103, 0, 8).test.tolist() != split(103, 0, 7).test.tolist()


def test_equal_seeds_give_equal_networks_and_leave_torch_alone() -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    settings = replace(SMALL, dropout=0.2)
    first = weights(trained(settings))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(weights(trained(settings)), first)
    assert np.any(weights(trained(settings, seed=2)) != first)


def test_the_test_events_are_not_looked_at() -> None:
    inputs, _ = shifted()
    inputs[split(len(inputs), 0, 3).test] = 1e3
    np.testing.assert_array_equal(weights(trained(inputs=inputs)), weights(trained()))


def test_the_best_epoch_of_the_validation_events_is_kept() -> None:
    # Labels without meaning: what is learned is noise, and later epochs are worse.
    generator = np.random.default_rng(4)
    inputs = generator.normal(0, 1, (200, 20)).astype(np.float32)
    labels = generator.integers(0, 2, 200)
    parts = split(200, 0, 0)
    settings = replace(SMALL, epochs=60, lr=2e-2)

    def loss(epochs: int, rows: np.ndarray) -> float:
        network = train(
            inputs, labels, 2, parts, [32], replace(settings, epochs=epochs), seed=0, device=CPU
        )
        logits = predict(network, inputs[rows])[:, 0]
        return float(np.mean(np.logaddexp(0, np.where(labels[rows] == 1, -logits, logits))))

    losses = [loss(epochs, parts.validation) for epochs in (1, 5, 60)]
    assert losses == sorted(losses, reverse=True)
    # Had it kept the last one, it would know its training events by heart.
    assert loss(60, parts.train) > 0.4


def test_patience_ends_training_and_progress_is_complete() -> None:
    inputs, labels = shifted()
    told: list[int] = []
    settings = replace(SMALL, epochs=500, patience=3, lr=0.1)
    train(
        *(inputs, labels, 2, split(len(inputs), 0, 3), [8], settings),
        seed=1,
        device=CPU,
        report=lambda done, total: told.append(done),
    )
    assert len(told) < 200
    assert told == sorted(told)
    assert told[-1] == 500


def test_several_classes_have_one_output_each() -> None:
    inputs, labels = shifted()
    labels = labels + 2 * (inputs[:, 0] > 0.5)
    parts = split(len(inputs), 0, 3)
    network = train(inputs, labels, 4, parts, [16], replace(SMALL, epochs=40), seed=1, device=CPU)
    logits = predict(network, inputs[parts.test])
    assert logits.shape == (len(parts.test), 4)
    assert np.mean(logits.argmax(axis=1) == labels[parts.test]) > 0.5
    assert predict(network, inputs[:0]).shape == (0, 4)
    assert predict(network, inputs, Network.features).shape == (300, 16)


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", 0), ("epochs", 0), ("seeds", 0), ("dropout", 1.0), ("lr", 0.0), ("patience", 0)],
)
def test_settings_that_cannot_be_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"{name} = {value}"):
        Settings(**{name: value})


def test_devices_that_are_not_there_are_refused() -> None:
    assert to_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="no device 'abacus'"):
        to_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="no device 'cuda:1'"):
            to_device("cuda:1")


def test_weights_make_the_classes_of_the_loss() -> None:
    """The input does not tell the labels; weights make one of them more likely."""
    generator = np.random.default_rng(5)
    inputs = generator.choice([-1, 1], (6000, 1)).astype(np.float32)
    labels = np.arange(6000) % 2
    odds = np.where(inputs[:, 0] > 0, 4.0, 1.0)
    counting = 17 * np.where(labels == 1, odds, 1.0)
    parts = split(6000, 0, 0)
    settings = replace(SMALL, epochs=15)
    network = train(
        *(inputs, labels, 2, parts, [16], settings), seed=0, device=CPU, weights=counting
    )
    logits = predict(network, inputs[parts.test])[:, 0]
    high = inputs[parts.test, 0] > 0
    # Both classes count the same in all: 4 / 2.5 and 1 / 2.5 to one.
    assert logits[high].mean() == pytest.approx(np.log(4 / 2.5), abs=0.15)
    assert logits[~high].mean() == pytest.approx(np.log(1 / 2.5), abs=0.15)


def test_weights_of_one_train_the_same_network() -> None:
    inputs, labels = shifted()
    parts = split(len(inputs), 0, 3)
    # Equal numbers of both classes in each part, as the classes of the loss have.
    parts = Parts(*(part[np.argsort(labels[part], kind="stable")] for part in parts))
    halves = [np.bincount(labels[part]).min() for part in parts]
    parts = Parts(
        *(
            np.concatenate([part[:half], part[-half:]])
            for part, half in zip(parts, halves, strict=True)
        )
    )
    plain, weighted = (
        train(inputs, labels, 2, parts, [8, 4], SMALL, seed=1, device=CPU, weights=w)
        for w in (None, np.full(len(inputs), 0.25))
    )
    np.testing.assert_allclose(weights(weighted), weights(plain), atol=1e-5)


def test_events_of_weight_zero_teach_nothing() -> None:
    inputs, labels = shifted()
    parts = split(len(inputs), 0, 3)
    counting = np.ones(len(inputs))
    counting[::3] = 0
    changed = labels.copy()
    changed[::3] = 1 - changed[::3]
    settings = replace(SMALL, epochs=2)
    first, second = (
        train(inputs, given, 2, parts, [8], settings, seed=1, device=CPU, weights=counting)
        for given in (labels, changed)
    )
    # But for the number of events of a class, which sets the scale.
    np.testing.assert_allclose(weights(first), weights(second), atol=1e-6)


def mapped(fitted: Scaling, x: np.ndarray) -> np.ndarray:
    centred = (x - fitted.mean).astype(np.float64)
    return centred @ fitted.matrix if fitted.whitens else centred * fitted.matrix


def correlated(n: int, seed: int = 0) -> np.ndarray:
    """Two inputs that agree within 1e-3 of their spread, and an unrelated one."""
    generator = np.random.default_rng(seed)
    first = generator.normal(5, 2, n)
    nearly = first + generator.normal(0, 0.002, n)
    return np.stack([first, nearly, generator.exponential(3, n)], axis=1).astype(np.float32)


@pytest.mark.parametrize("block", [10, 2**22], ids=["blocks", "whole"])
def test_training_events_are_standardised(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_BLOCK_VALUES", block)
    x, rows = correlated(500), np.arange(0, 500, 2)
    z = mapped(fit_scaling(x, rows), x)
    np.testing.assert_allclose(z[rows].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(z[rows].std(axis=0), 1, rtol=1e-5)
    # The other events have no say.
    x[1::2] += 100
    np.testing.assert_array_equal(mapped(fit_scaling(x, rows), x)[rows], z[rows])


def test_whitening_makes_the_small_difference_an_input() -> None:
    x, rows = correlated(2000), np.arange(2000)
    fitted = fit_scaling(x, rows, whiten=True)
    z = mapped(fitted, x)
    np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=2e-3)
    difference = (x[:, 1].astype(np.float64) - x[:, 0]) / 0.002
    assert np.abs([np.corrcoef(difference, column)[0, 1] for column in z.T]).max() > 0.999
    # Standardised, no input knows it.
    plain = mapped(fit_scaling(x, rows), x)
    assert np.abs([np.corrcoef(difference, column)[0, 1] for column in plain.T]).max() < 0.1


@pytest.mark.parametrize("whiten", [False, True])
def test_constant_inputs_are_harmless(whiten: bool) -> None:
    x = np.concatenate([correlated(300), np.full((300, 1), 0.1), np.zeros((300, 1))], axis=1)
    fitted = fit_scaling(x.astype(np.float32), np.arange(300), whiten=whiten)
    assert np.isfinite(fitted.matrix).all()
    assert np.abs(mapped(fitted, x.astype(np.float32))).max() < 20
    assert fitted.n_outputs == (3 if whiten else 5)


def test_whitening_needs_events_and_few_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    x = correlated(100)
    assert fit_scaling(x, np.arange(15), whiten=True).whitens
    assert not fit_scaling(x, np.arange(14), whiten=True).whitens
    monkeypatch.setattr(training, "_MAX_WHITENED", 2)
    assert not fit_scaling(x, np.arange(100), whiten=True).whitens
