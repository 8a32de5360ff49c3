"""A progress bar for training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phys_gan.training.loop import Report

__all__ = ["progress"]


@contextmanager
def progress(total: int) -> Iterator[Report]:
    """Show a progress bar, and a line for each report."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("events shown"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=total, start=False)

        def report(shown: int, scalars: Mapping[str, float]) -> None:
            bar.start_task(task)
            bar.update(task, completed=shown)
            if scalars:
                bar.console.print(
                    f"{shown:>12,} events {scalars['seconds']:7.0f} s   "
                    f"mean KS {scalars['score']:.4f}   "
                    f"loss D {scalars['loss_d']:.3f}  G {scalars['loss_g']:.3f}",
                    highlight=False,
                )

        yield report
