"""``python -m tests.soak [NAME]``: run one long run, or all of them in turn."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.soak import drift, joins, kills

RESULTS = Path("soak-results.jsonl")

RUNS: dict[str, Callable[[], dict[str, object]]] = {
    "kills": kills.run,
    "joins": joins.run,
    "drift": drift.run,
}


def main(names: list[str]) -> int:
    """Run what ``names`` says; return 0 if all passed."""
    if unknown := [name for name in names if name not in RUNS]:
        print(f"there is no long run called {', '.join(unknown)}; there are {', '.join(RUNS)}")
        return 2
    passed = [_run(name) for name in names or RUNS]
    return 0 if all(passed) else 1


def _run(name: str) -> bool:
    print(f"{name} …", flush=True)
    started = time.monotonic()
    result = RUNS[name]()
    line = {
        "run": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 1),
        **result,
    }
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line, indent=1), flush=True)
    return bool(result["passed"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
