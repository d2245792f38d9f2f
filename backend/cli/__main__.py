"""``python -m backend.cli``, where the script ``hearth`` is not on the path."""

from backend.cli import main

main()
