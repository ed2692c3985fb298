"""What processes cost: CPU time and memory of one, or of one and all it started."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Cost:
    """What was used.

    Attributes:
        cpu_s: User and system time, in seconds.
        rss_bytes: Resident memory.
    """

    cpu_s: float
    rss_bytes: int

    def __sub__(self, before: "Cost") -> "Cost":
        return Cost(self.cpu_s - before.cpu_s, self.rss_bytes)


def cost_of(pid: int) -> Cost:
    """Return what process ``pid`` and its living descendants have used so far."""
    root = psutil.Process(pid)
    cpu_s, rss = 0.0, 0
    for process in (root, *root.children(recursive=True)):
        with process.oneshot():
            times = process.cpu_times()
            cpu_s += times.user + times.system
            rss += process.memory_info().rss
    return Cost(cpu_s, rss)
