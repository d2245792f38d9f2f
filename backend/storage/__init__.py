"""What is on disk: the ledger of files that were read and verified, and what a file's first bytes tell."""

from backend.kit.headers import header_problem
from backend.storage.ledger import Ledger
from backend.storage.store import model_files

__all__ = ["Ledger", "header_problem", "model_files"]
