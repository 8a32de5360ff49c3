r"""How sure a generator is: several trainings of one model against one reference.

Trainings of one recipe differ, and the truth, if nothing is wrong with the recipe, is as far from
them as they are from each other (arXiv:2210.09767, 2408.00838). Of K trainings with the contents
:math:`a_i` of a bin and the statistical errors :math:`e_i`,

.. math:: \sigma_\mathrm{sys}^2 = \max\Bigl(0, \tfrac{1}{K-1}\sum_i (a_i - \bar a)^2 -
    \tfrac{1}{K} \sum_i e_i^2\Bigr), \qquad \sigma^2 = t_K^2\,(1 + 1/K)\,\sigma_\mathrm{sys}^2 +
    \tfrac{1}{K^2} \sum_i e_i^2

is the band around their mean in which the truth, or one more training, lies with a probability of
68.3 %: the interval of prediction of K draws, with Student's factor :math:`t_K` for the spread that
is known from K of them alone. It knows nothing of what all trainings have in common; the *coverage*
of the reference shows that.

The *useful number* of events asks what this difference is worth: a sample of n events of full
simulation would deviate from the truth as much by chance as the generator does on average, however
many events it makes. Divided by the number of training events it is the amplification
(arXiv:2008.06545, 2202.07352).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from phys_gan.errors import ConfigError
from phys_gan.validation.histograms import Histogram

Values = NDArray[np.float64]

LEVEL = 0.6827
"""Probability inside the band."""

_FEWEST = 10.0
"""Entries of the reference in a bin that is asked whether the band covers it."""

_ONE_SIDED_95 = 1.645


@dataclass(frozen=True)
class Useful:
    """Up to how many events a generator is worth using, for one observable.

    Attributes:
        number: Events of full simulation that deviate as much by chance; None where the
            difference is not beyond chance itself.
        at_least: Lower bound at 95 % confidence.
    """

    number: float | None
    at_least: float

    @property
    def order(self) -> tuple[bool, float]:
        """A key that sorts by the number, and then what is not limited by its bound."""
        return self.number is None, self.at_least if self.number is None else self.number

    def as_dict(self) -> dict[str, float | None]:
        """Return the fields for JSON."""
        return {"number": self.number, "at_least": self.at_least}


@dataclass(frozen=True)
class Band:
    """An observable of all trainings: contents per event and bin, with under- and overflow.

    All arrays but those named otherwise have the shape (n_bins + 2,).

    Attributes:
        edges: Bin edges, shape (n_bins + 1,).
        members: Contents of each training, shape (K, n_bins + 2).
        mean: Their mean.
        statistical: Statistical error of one training.
        systematic: Standard deviation between trainings beyond it.
        total: Half the width of the band around the mean.
        reference: Contents of the reference.
        reference_error: Their statistical errors.
        n_reference: (Effective) number of events of the reference.
        asked: Where the reference has at least 10 entries.
        useful: Up to how many events of one training are worth using.
    """

    edges: Values
    members: Values
    mean: Values
    statistical: Values
    systematic: Values
    total: Values
    reference: Values
    reference_error: Values
    n_reference: float
    asked: NDArray[np.bool_]
    useful: Useful

    @property
    def pulls(self) -> Values:
        """Reference - mean over band and statistical error of the reference, where asked."""
        sigma = np.hypot(self.total, self.reference_error)[self.asked]
        return np.asarray((self.reference - self.mean)[self.asked] / sigma)

    @property
    def coverage(self) -> float:
        """Fraction of the bins whose band covers the reference, 0.683 if all is well."""
        pulls = self.pulls
        return float(np.mean(np.abs(pulls) < 1)) if len(pulls) else float("nan")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON, without the trainings one by one."""
        columns = ("edges", "mean", "statistical", "systematic", "total", "reference")
        found: dict[str, Any] = {name: getattr(self, name).tolist() for name in columns}
        coverage = self.coverage if self.asked.any() else None
        return found | {
            "reference_error": self.reference_error.tolist(),
            "coverage": coverage,
            "n_asked": int(self.asked.sum()),
            "useful_events": self.useful.as_dict(),
        }


@dataclass(frozen=True)
class Ensemble:
    """Trainings of one model, compared with one reference.

    Attributes:
        names: Names of the trainings.
        bands: Observable name to its band.
        n_training: Events that each was trained on, where known.
    """

    names: Sequence[str]
    bands: Mapping[str, Band] = field(repr=False)
    n_training: int | None = None

    @classmethod
    def of(
        cls,
        members: Mapping[str, Mapping[str, Histogram]],
        n_training: int | None = None,
    ) -> Ensemble:
        """Return the bands of all observables that every training has.

        Arguments:
            members: Name of a training to its histograms, in the bins that all share.
            n_training: Events that each was trained on.

        Raises:
            ConfigError: There are fewer than two trainings.
        """
        if len(members) < 2:
            raise ConfigError(
                f"an ensemble needs at least 2 trainings of one model, not {len(members)}",
                remedy="name the events of several trainings with different seeds",
                value=len(members),
                constraint=2,
            )
        first, *others = members.values()
        common = [name for name in first if all(name in other for other in others)]
        bands = {name: _band([own[name] for own in members.values()]) for name in common}
        return cls(list(members), bands, n_training)

    @property
    def coverage(self) -> float:
        """Fraction of the bins of all observables whose band covers the reference."""
        pulls = [band.pulls for band in self.bands.values()]
        joined = np.concatenate(pulls) if pulls else np.empty(0)
        return float(np.mean(np.abs(joined) < 1)) if len(joined) else float("nan")

    @property
    def text(self) -> str:
        """What the coverage says, in one or two sentences."""
        n = sum(int(band.asked.sum()) for band in self.bands.values())
        if not n:
            return "No bin has enough entries of the reference to ask whether the band covers it."
        text = (
            f"The band of {len(self.names)} trainings covers the reference in "
            f"{100 * self.coverage:.0f} % of {n} bins (68 % if trainings differ from the truth "
            "as they do from each other)."
        )
        if self.coverage < 0.5:
            text += (
                " They have a difference in common that their spread does not show: the band is "
                "too narrow to be the uncertainty of this model."
            )
        return text

    def summary(self) -> str:
        """Return the coverage and the useful numbers of events, the smallest first."""
        width = max([16, *map(len, self.bands)])
        heads = (
            f"{'observable':<{width}} {'useful events':>16} {'at least (95 %)':>16} {'coverage':>9}"
        )
        lines = [self.text, "", heads]
        for name in self.ranking:
            useful, coverage = self.bands[name].useful, self.bands[name].coverage
            number = "not limited" if useful.number is None else f"{useful.number:.3g}"
            covered = f"{100 * coverage:.0f} %" if np.isfinite(coverage) else "–"
            lines.append(f"{name:<{width}} {number:>16} {useful.at_least:>16.3g} {covered:>9}")
        return "\n".join(lines)

    @property
    def ranking(self) -> list[str]:
        """Names of the observables, the one that is worth the fewest events first."""
        return sorted(self.bands, key=lambda name: self.bands[name].useful.order)

    def amplification(self, name: str) -> float | None:
        """Return the useful number of events over that of the training events, where known."""
        number = self.bands[name].useful.number
        return None if number is None or not self.n_training else number / self.n_training

    def as_dict(self) -> dict[str, Any]:
        """Return everything of ensemble.json."""
        each = {
            name: band.as_dict() | {"amplification": self.amplification(name)}
            for name, band in self.bands.items()
        }
        coverage = self.coverage
        return {
            "trainings": list(self.names),
            "n_training": self.n_training,
            "level": LEVEL,
            "coverage": coverage if np.isfinite(coverage) else None,
            "text": self.text,
            "observables": each,
        }

    def histfactory(self) -> dict[str, Any]:
        """Return a HistFactory workspace in the JSON of pyhf: one channel per observable.

        The sample ``generated`` is the mean of all trainings, scaled to the events of the
        reference, which is the observation. Its systematic band is the sum of K - 1 shapes
        (``histosys``), the principal components of the differences between trainings, each with
        one nuisance parameter for all channels, because a training is off in all observables at
        once; the statistical errors are ``staterror``. Bins of fewer than 10 entries of the
        reference are joined with their neighbours. The channels show the same events: fit one
        of them, or observables of different events. Channels are called after their observables,
        with ``_over_`` for a slash.

        References:
            HistFactory (Cranmer et al., 2012), https://cds.cern.ch/record/1456844
            pyhf (Heinrich et al., 2021), https://doi.org/10.21105/joss.02823
        """
        found = {name: _joined(band) for name, band in self.bands.items()}
        joined = {name: parts for name, parts in found.items() if parts is not None}
        modes = _modes([parts["deviations"] for parts in joined.values()])
        channels, observations = [], []
        for (name, parts), shapes in zip(joined.items(), modes, strict=True):
            nominal = parts["nominal"]
            # pyhf cuts the names of modifiers at slashes.
            name = name.replace("/", "_over_")
            modifiers: list[dict[str, Any]] = [{"name": "mu", "type": "normfactor", "data": None}]
            for number, shape in enumerate(shapes, 1):
                data = {
                    "hi_data": np.maximum(nominal + shape, 0).tolist(),
                    "lo_data": np.maximum(nominal - shape, 0).tolist(),
                }
                modifiers.append({"name": f"training_{number}", "type": "histosys", "data": data})
            modifiers.append(
                {
                    "name": f"statistics_{name}",
                    "type": "staterror",
                    "data": parts["statistical"].tolist(),
                }
            )
            sample = {"name": "generated", "data": nominal.tolist(), "modifiers": modifiers}
            channels.append({"name": name, "samples": [sample]})
            observations.append({"name": name, "data": parts["observed"].tolist()})
        parameter = {"name": "mu", "inits": [1.0], "bounds": [[0.0, 10.0]]}
        measurement = {"name": "generator", "config": {"poi": "mu", "parameters": [parameter]}}
        return {
            "channels": channels,
            "observations": observations,
            "measurements": [measurement],
            "version": "1.0.0",
        }


def useful_number(histograms: Sequence[Histogram]) -> Useful:
    r"""Return up to how many events the candidates of these histograms are worth using.

    The sum X of the squared differences of both contents over their statistical variances exceeds
    its expectation k between equal samples by :math:`\lambda`, which is the square of the
    systematic difference. The statistical deviation of n events of the reference has the same
    square where

    .. math:: n = \frac{N}{\lambda} \frac{k}{B} \sum_b
        \frac{\sigma_b^2}{\sigma_b^2 + \tau_b^2},

    N being the events of the reference, :math:`\sigma_b` and :math:`\tau_b` the errors of the
    B contents of reference and candidate. X is distributed as a noncentral chi-square. Of several
    candidates the means of :math:`\lambda` and of its errors are taken, because they share the
    fluctuations of one reference.

    Arguments:
        histograms: An observable of one reference and of each candidate.

    Example:
        >>> from dataclasses import replace
        >>> import phys_gan as pg
        >>> showers = pg.simulate(pg.load_detector("calogan"), 400, seed=1)
        >>> found = pg.compare(showers[:200], showers[200:], observables=["depth"])
        >>> useful_number([found.histograms["depth"]]).number is None
        True
    """
    squares, errors, factors = [], [], []
    for histogram in histograms:
        p, q = _contents(histogram, 0), _contents(histogram, 1)
        groups = _groups(histogram.reference, histogram.reference_error)
        if len(groups) < 2:
            return Useful(None, 0.0)
        (first, second), (v, w) = (
            [np.add.reduceat(values, groups) for values in pair]
            for pair in ((p[0], q[0]), (p[1] ** 2, q[1] ** 2))
        )
        n_bins = len(groups)
        k = n_bins if histogram.per_event else n_bins - 1
        excess = float(np.sum((first - second) ** 2 / (v + w))) - k
        squares.append(excess)
        errors.append(float(np.sqrt(2 * k + 4 * max(excess, 0.0))))
        factors.append(k / n_bins * float(np.sum(v / (v + w))))
    size = _size(histograms[0], 0)
    square, error, factor = (float(np.mean(values)) for values in (squares, errors, factors))
    number = size * factor / square if square > _ONE_SIDED_95 * error else None
    return Useful(number, size * factor / (max(square, 0.0) + _ONE_SIDED_95 * error))


def _band(histograms: Sequence[Histogram]) -> Band:
    """Return the band of one observable, of which all trainings have one reference and bins."""
    first = histograms[0]
    contents = [_contents(histogram, 1) for histogram in histograms]
    members = np.stack([values for values, _ in contents])
    variance = np.mean([errors**2 for _, errors in contents], axis=0)
    n = len(members)
    systematic = np.sqrt(np.maximum(0.0, members.var(axis=0, ddof=1) - variance))
    student = _student(n)
    total = np.sqrt(student**2 * (1 + 1 / n) * systematic**2 + variance / n)
    reference, reference_error = _contents(first, 0)
    return Band(
        edges=first.edges,
        members=members,
        mean=members.mean(axis=0),
        statistical=np.sqrt(variance),
        systematic=systematic,
        total=total,
        reference=reference,
        reference_error=reference_error,
        n_reference=_size(first, 0),
        asked=_entries(first.reference, first.reference_error) >= _FEWEST,
        useful=useful_number(histograms),
    )


def _student(n: int) -> float:
    """Return by how much the band of n trainings is wider than that of a known spread."""
    return float(stdtrit(n - 1, (1 + LEVEL) / 2))


def _size(histogram: Histogram, side: int) -> float:
    return float((histogram.n_effective or histogram.n_events)[side])


def _contents(histogram: Histogram, side: int) -> tuple[Values, Values]:
    """Return the contents and their errors, per event, or per entry where each event has one."""
    entries = (histogram.reference, histogram.candidate)[side]
    errors = (histogram.reference_error, histogram.candidate_error)[side]
    total = histogram.n_events[side] if histogram.per_event else float(entries.sum())
    scale = 1 / total if total > 0 else 0.0
    return entries * scale, errors * scale


def _entries(entries: Values, errors: Values) -> Values:
    """Return the numbers of entries that would have these relative errors."""
    return np.asarray(np.divide(entries, errors, where=errors > 0, out=np.zeros_like(errors)) ** 2)


def _groups(entries: Values, errors: Values) -> NDArray[np.int64]:
    """Return where joint bins begin, in each of which the reference has at least 10 entries."""
    starts, content, variance = [0], 0.0, 0.0
    for place, (entry, error) in enumerate(zip(entries, errors, strict=True)):
        content, variance = content + entry, variance + error**2
        if content > 0 and content**2 >= _FEWEST * variance:
            starts.append(place + 1)
            content = variance = 0.0
    # What is left at the end belongs to the last bin.
    return np.array(starts[:-1] or [0], np.int64)


def _joined(band: Band) -> dict[str, Values] | None:
    """Return what a channel needs, in entries; None where the reference or the mean has none."""
    n = band.n_reference
    groups = _groups(band.reference, band.reference_error)
    mean = np.add.reduceat(band.mean, groups)
    if not np.all(mean > 0):
        filled = np.flatnonzero(mean > 0)
        if len(filled) < 1:
            return None
        # A bin without generated entries has no relative error: it joins the one before.
        groups = groups[filled]
        groups[0] = 0
        mean = np.add.reduceat(band.mean, groups)
    members = np.add.reduceat(band.members, groups, axis=1)
    variance = np.add.reduceat(band.statistical**2, groups)
    k = len(members)
    spread = members.var(axis=0, ddof=1)
    # Only what statistics do not explain is systematic, with the factors of the band.
    share = np.sqrt(np.maximum(0.0, spread - variance) / np.where(spread > 0, spread, 1.0))
    widen = _student(k) * np.sqrt(1 + 1 / k)
    return {
        "nominal": n * mean,
        "statistical": n * np.sqrt(variance / k),
        "observed": n * np.add.reduceat(band.reference, groups),
        "deviations": n * widen * share * (members - mean) / np.sqrt(k - 1),
    }


def _modes(deviations: Sequence[Values]) -> list[Values]:
    """Return the principal components of the trainings' deviations, K - 1 shapes per channel."""
    if not deviations:
        return []
    sizes = np.cumsum([values.shape[1] for values in deviations])[:-1]
    together = np.concatenate(deviations, axis=1)
    # Trainings span one dimension fewer than there are; their mean is the nominal sample.
    _, lengths, shapes = np.linalg.svd(together, full_matrices=False)
    kept = min(len(together) - 1, len(lengths))
    return np.split(lengths[:kept, None] * shapes[:kept], sizes, axis=1)
