"""``python -m agent``: the same as ``roomcast``."""

from agent.cli import main

main()
