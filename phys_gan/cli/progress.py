"""Progress bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import TaskID

    from phys_gan.training.loop import Report

__all__ = ["counting", "progress", "stages"]


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

        def report(shown: int, scalars: Mapping[str, Any]) -> None:
            bar.start_task(task)
            bar.update(task, completed=shown)
            if scalars:
                losses = "  ".join(
                    f"{name.replace('_', ' ')} {value:.3f}"
                    for name, value in scalars.items()
                    if name.startswith("loss")
                )
                bar.console.print(
                    f"{shown:>12,} events {scalars['seconds']:7.0f} s   "
                    f"mean KS {scalars['score']:.4f}   {losses}",
                    highlight=False,
                )
                for warning in scalars["warnings"]:
                    bar.console.print(f"  {warning}", style="yellow", markup=False, highlight=False)

        yield report


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar of things that are done, with the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), Remaining())
    console = Console(stderr=True)
    silent = not console.is_terminal
    with Progress(*columns, transient=True, console=console, disable=silent) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def stages() -> Iterator[Callable[[str, int], None]]:
    """Show what is being done, for how long, and how much of it is done."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    silent = not console.is_terminal
    with Progress(*columns, transient=True, console=console, disable=silent) as bar:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bar.stop_task(task)
                tasks[stage] = bar.add_task(stage, total=None)
            bar.update(tasks[stage], completed=done)

        yield report
