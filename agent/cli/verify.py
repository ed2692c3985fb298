"""``roomcast verify``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from agent.cli.logs import configure_logging
from agent.cli.options import JsonOption, LogFormatOption, VerboseOption
from agent.cli.output import show, show_json, size
from agent.cli.progress import ProgressLine
from agent.errors import MediaLossError, UsageError

if TYPE_CHECKING:  # what they import takes longer to load than the whole command line
    from agent.recording.recovery import Verdict
    from agent.recording.verification import FileReport

EXAMPLES = (
    "roomcast verify recordings/demo--2026-11-23T10-15-02Z--ab12cd",
    "roomcast verify recordings/demo--2026-11-23T10-15-02Z--ab12cd --quick --json",
)


def verify(
    recording: Annotated[
        Path, typer.Argument(metavar="RECORDING", help="The folder of a recording.")
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Decode the key frames only, not every frame.")
    ] = False,
    as_json: JsonOption = False,
    verbose: VerboseOption = 0,
    log_format: LogFormatOption = "text",
) -> None:
    """Check every file of a recording against its manifest.

    Size, hash, codecs, times and continuity are compared, and all of it is decoded. The exit
    code is 4 if anything is wrong.
    """
    from agent.recording.recovery import verify as verified

    folder = _folder_of(recording)
    with ProgressLine(configure_logging(verbose, log_format)) as line:
        line.update(f"checking {folder}")
        verdict = verified(folder, "quick" if quick else "full")
    if as_json:
        show_json(_document(verdict))
    else:
        show(*_rendered(verdict))
    raise typer.Exit(MediaLossError.exit_code if verdict.problems else 0)


def _folder_of(path: Path) -> Path:
    """Return the recording's folder.

    Raises:
        UsageError: If ``path`` is no recording.
    """
    from agent.recording.folder import recordings_in
    from agent.recording.manifest import MANIFEST_NAME

    folder = path.parent if path.name == MANIFEST_NAME else path
    if not folder.is_dir():
        message = f"there is no recording {path}"
        raise UsageError(message)
    if not (folder / MANIFEST_NAME).exists():
        inside = next(recordings_in(folder), None)
        hint = f"; name one of those in it, such as {inside}" if inside else ""
        message = f"{folder} is no recording: it has no {MANIFEST_NAME}{hint}"
        raise UsageError(message)
    return folder


def _rendered(verdict: "Verdict") -> list[str | Table]:
    manifest = verdict.manifest
    table = Table()
    table.add_column("file", overflow="fold")
    for heading in ("seconds", "pictures", "sound", "size"):
        table.add_column(heading, justify="right")
    table.add_column("verdict", overflow="fold")
    for report in verdict.reports:
        table.add_row(*_cells(verdict.folder, report))
    found = {str(finding) for report in verdict.reports for finding in report.findings}
    others = [problem for problem in verdict.problems if problem not in found]
    depth = "decoded whole" if any(it.depth == "full" for it in verdict.reports) else "quick check"
    end = "damaged" if verdict.problems else f"nothing wrong ({depth})"
    title = f"{verdict.folder}: {manifest.state}, {manifest.duration_s:.1f} s: {end}"
    return [title, table, *others]


def _cells(folder: Path, report: "FileReport") -> list[str]:
    end_s = max((stream.end_s for stream in report.streams.values()), default=0.0)
    findings = "\n".join(finding.text for finding in report.findings)
    return [
        report.path.relative_to(folder).as_posix(),
        f"{end_s:.1f}",
        _coded(report, "video"),
        _coded(report, "audio"),
        size(report.bytes),
        f"✗ {findings}" if findings else "✓ fine",
    ]


def _coded(report: "FileReport", kind: str) -> str:
    stream = next((it for it in report.streams.values() if it.kind == kind), None)
    return f"{stream.packets} {stream.codec or '?'}" if stream else "-"


def _document(verdict: "Verdict") -> dict[str, object]:
    return {
        "folder": str(verdict.folder),
        "state": verdict.manifest.state.value,
        "passed": not verdict.problems,
        "problems": verdict.problems,
        "files": [
            {
                "path": report.path.relative_to(verdict.folder).as_posix(),
                "checked": report.depth,
                "passed": report.passed,
                "bytes": report.bytes,
                "sha256": report.sha256,
                "pictures_decoded": report.pictures_decoded,
                "samples_decoded": report.samples_decoded,
                "findings": [
                    {"kind": finding.kind.value, "text": finding.text, "at_s": finding.at_s}
                    for finding in report.findings
                ],
            }
            for report in verdict.reports
        ],
    }
