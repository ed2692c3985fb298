"""The check on every test: it must see what is left behind, and wait for what is on its way out."""

import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.leaks import held, left_over
from tests.waiting import until


def test_a_thread_that_does_not_end_is_named() -> None:
    before = held()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="stays")
    thread.start()

    assert left_over(before, patience_s=0) == ["thread stays"]

    end.set()
    thread.join()


def test_a_thread_that_is_about_to_end_is_waited_for() -> None:
    before = held()
    threading.Timer(0.05, lambda: None).start()

    assert left_over(before) == []


def test_a_child_process_is_named_with_its_command() -> None:
    before = held()
    with subprocess.Popen(["sleep", "60"]) as child:
        # Its command is not to be read yet in the moment in which it starts.
        until(lambda: b"sleep" in Path(f"/proc/{child.pid}/cmdline").read_bytes(), "it runs")
        found = left_over(before, patience_s=0)
        child.kill()

    assert found == [f"process {child.pid} b'sleep 60'"]


def test_an_open_socket_is_named() -> None:
    before = held()
    with socket.socket() as left:
        [found] = left_over(before, patience_s=0)

        assert found.startswith(f"descriptor {left.fileno()} -> socket:")


def test_a_file_in_the_working_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = held()
    Path("stray.mkv").touch()

    assert left_over(before, patience_s=0) == [f"file stray.mkv in {tmp_path}"]
