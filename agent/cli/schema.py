"""``roomcast schema``: what roomcast's files look like, for programs."""

import typer

schema = typer.Typer(
    help="Print the JSON Schema of a file that roomcast writes.", no_args_is_help=True
)


@schema.command()
def manifest() -> None:
    """Print that of a recording's manifest.json."""
    from agent.recording.manifest import schema as manifest_schema

    print(manifest_schema())
