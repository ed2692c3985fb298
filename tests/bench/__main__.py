"""``python -m tests.bench [NAME]``: run one measurement, or all of them in turn."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import demo, recorder

RESULTS = Path("bench-results.jsonl")

BENCHES: dict[str, Callable[[], dict[str, object]]] = {
    "recorder": recorder.run,
    "demo": demo.run,
}


def main(names: list[str]) -> int:
    """Measure what ``names`` says."""
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"there is no bench called {', '.join(unknown)}; there are {', '.join(BENCHES)}")
        return 2
    for name in names or BENCHES:
        print(f"{name} …", flush=True)
        line = {
            "bench": name,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            **BENCHES[name](),
        }
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line, indent=1), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
