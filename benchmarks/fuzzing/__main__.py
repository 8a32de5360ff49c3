"""The command: many cases, logged in a file, or one case again."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from benchmarks.fuzzing.cases import make_case, prepared, run_cases, try_case
from phys_gan.errors import PhysGanError

_FINE = ("read", "refused")


def summary(results: list[dict[str, Any]]) -> str:
    """Return how many cases came to what, by file, and each finding once."""
    lines = [f"{len(results)} cases"]
    for base in sorted({r["base"] for r in results}):
        counts = Counter(r["outcome"] for r in results if r["base"] == base)
        listed = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
        lines.append(f"  {base}: {listed}")
    total = Counter(r["outcome"] for r in results)
    lines.append("in all: " + ", ".join(f"{n} {outcome}" for outcome, n in total.most_common()))
    seen: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for result in results:
        if result["outcome"] not in _FINE:
            key = (result["outcome"], result["said"][:60])
            seen[key] += 1
            first.setdefault(key, result)
    for key, count in seen.most_common():
        result = first[key]
        case = f"case {result['case']} of {result['base']}"
        lines.append(f"{count} x {key[0]}: {result['said'][:200]!r} (first: {case})")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzzing",
        description="Damage files at random and see what reading them does.",
    )
    parser.add_argument("kind", choices=["models", "inputs"], help="which files to damage")
    parser.add_argument("--cases", type=int, default=10_000, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=1, help="seed of the damage")
    parser.add_argument("--folder", type=Path, default=Path("fuzzing"), help="where results go")
    parser.add_argument("--case", type=int, help="repeat one case in this process, in full")
    parser.add_argument("--seconds", type=float, default=10.0, help="time limit of each file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    sound = prepared(options.kind, options.folder)
    if options.case is not None:
        place = options.folder / f"case-{options.case}"
        place.mkdir(parents=True, exist_ok=True)
        case = make_case(options.kind, sound, options.seed, options.case, place)
        sys.stdout.write(f"{case}\n")
        sys.stdout.flush()
        sys.stdout.write(": ".join(try_case(options.kind, case)) + "\n")
        return
    log = options.folder / f"{options.kind}-{options.seed}.jsonl"
    results = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = {result["case"] for result in results}
    numbers = [number for number in range(options.cases) if number not in done]
    findings = options.folder / "findings"
    with log.open("a") as file:
        for result in run_cases(
            options.kind, sound, options.seed, numbers, findings, options.seconds
        ):
            results.append(result)
            file.write(json.dumps(result) + "\n")
            file.flush()
    sys.stdout.write(summary(results) + "\n")


if __name__ == "__main__":
    try:
        main()
    except PhysGanError:
        traceback.print_exc()
        sys.exit(2)
