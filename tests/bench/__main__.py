"""Runs every bench and shows its figures; asserts nothing, since machines differ.

    python tests/bench

Each module of this folder with a function `figures() -> dict[str, float | str]` is a bench. The figures go, by name,
to `.tenbin/bench.json` too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import platform
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
RESULT = FOLDER.parents[1] / ".tenbin" / "bench.json"
Figures = dict[str, float | str]


def benches() -> dict[str, Callable[[], Figures]]:
    """Return the benches by name, in alphabetical order."""
    found: dict[str, Callable[[], Figures]] = {}
    for file in sorted(FOLDER.glob("[!_]*.py")):
        spec = importlib.util.spec_from_file_location(f"tenbin_bench_{file.stem}", file)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        if hasattr(module, "figures"):
            found[file.stem] = module.figures
    return found


def main() -> None:
    """Run all benches, or those named on the command line."""
    console = Console()
    chosen = set(sys.argv[1:])
    result: Figures = {"machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"}
    table = Table(title=f"Bench on {result['machine']}", title_justify="left")
    table.add_column("Figure")
    table.add_column("Value", justify="right")
    for name, figures in benches().items():
        if chosen and name not in chosen:
            continue
        started = time.perf_counter()
        with console.status(f"{name} ..."):
            measured = figures()
        console.print(f"{name}: {time.perf_counter() - started:.1f} s", style="dim")
        result |= measured
        for figure, value in measured.items():
            table.add_row(figure, value if isinstance(value, str) else f"{value:.4g}")
    console.print(table)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {RESULT.relative_to(FOLDER.parents[1])}", style="dim")


if __name__ == "__main__":
    main()
