"""``python -m tokenserver`` is ``roomcast-tokens``."""

from tokenserver.cli import main

main()
