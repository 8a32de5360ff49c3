"""Numbers as a reader wants them: as many digits as their error allows."""

from __future__ import annotations

import numpy as np

from phys_gan.validation.statistics.result import Result

__all__ = ["compact", "floor_text", "p_value_text", "percent", "value_text", "whole", "with_error"]

_SMALL = 1e-3
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def with_error(value: float, error: float) -> str:
    """Write a number and its error with two figures of the error, small ones by powers of ten.

    Example:
        >>> with_error(0.12345, 0.0067), with_error(0.000079, 0.000021)
        ('0.1235 ± 0.0067', '(7.9 ± 2.1)·10⁻⁵')
    """
    if not np.isfinite(value):
        return "∞" if value > 0 else "not defined"
    largest = max(abs(value), abs(error))
    if 0 < largest < _SMALL:
        power = int(np.floor(np.log10(largest)))
        exponent = str(-power).translate(_SUPERSCRIPT)
        return f"({with_error(value / 10.0**power, error / 10.0**power)})·10⁻{exponent}"
    places = _decimals(error or value)
    return f"{value:.{places}f} ± {error:.{places}f}".replace("-", "−")


def value_text(result: Result) -> str:
    """Write value ± error."""
    return with_error(result.value, result.error)


def floor_text(result: Result) -> str:
    """Write floor ± spread."""
    return with_error(result.floor, result.floor_error)


def percent(value: float, error: float) -> str:
    """Write a fraction and its error in percent.

    Example:
        >>> percent(0.0123, 0.0004)
        '1.23 ± 0.04 %'
    """
    if not np.isfinite(value):
        return "not defined"
    return f"{100 * value:.2f} ± {100 * error:.2f} %"


def p_value_text(p_value: float) -> str:
    """Write a probability; what is smaller than can be known is said to be so.

    Example:
        >>> p_value_text(0.0312), p_value_text(1e-12)
        ('= 0.031', '< 0.0001')
    """
    return "< 0.0001" if p_value < 1e-4 else f"= {p_value:.2g}"


def compact(number: float | None) -> str:
    r"""Write a number of showers, of which the order of magnitude counts.

    Example:
        >>> compact(0.3), compact(3.2), compact(2741.0), compact(1.2e7), compact(None)
        ('below 1', '3', '2\xa0700', '12 million', 'any')
    """
    if number is None:
        return "any"
    if number < 1:
        return "below 1"
    if number >= 1e6:
        return f"{number / 1e6:.2g} million" if number < 1e8 else "over 100 million"
    rounded = round(number, 1 - int(np.floor(np.log10(number)))) if number >= 10 else round(number)
    return whole(int(rounded))


def whole(number: int) -> str:
    r"""Write a whole number with groups of three digits that stay on one line.

    Example:
        >>> whole(12345)
        '12\xa0345'
    """
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def _decimals(scale: float) -> int:
    """Return the decimals at which an error keeps two figures."""
    if not np.isfinite(scale) or scale <= 0:
        return 3
    return int(np.clip(1 - np.floor(np.log10(scale)), 0, 8))
