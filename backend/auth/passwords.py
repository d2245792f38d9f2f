"""Hash, check, judge and invent passwords.

Argon2id with 19 MiB, 2 passes and 1 lane: OWASP's Password Storage Cheat Sheet. One thread does all the hashing, so a
flood of attempts costs one core and 19 MiB at the most and never the event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

MIN_LENGTH = 8  # NIST SP 800-63B-3, section 5.1.1.2
MAX_LENGTH = 1024

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is misread: no i, l, o, 0, 1
_GROUPS, _GROUP_LENGTH = 4, 5  # 20 characters of 31 are 99 bits
_WEAK = frozenset(
    [
        "password",
        "passwort",
        "passw0rd",
        "p@ssw0rd",
        "pass",
        "admin",
        "administrator",
        "root",
        "user",
        "test",
        "guest",
        "default",
        "changeme",
        "changeit",
        "letmein",
        "welcome",
        "login",
        "master",
        "secret",
        "qwerty",
        "qwertz",
        "qwertyuiop",
        "asdfgh",
        "abc",
        "abcd",
        "abcdef",
        "iloveyou",
        "monkey",
        "dragon",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "superman",
        "trustno",
        "hello",
        "hearth",
        "comfy",
        "comfyui",
        "comfyui-docker",
        "stable",
        "diffusion",
        "stablediffusion",
        "runpod",
        "vast",
        "docker",
        "jupyter",
        "workspace",
    ]
)


class Hasher:
    """Run Argon2 off the event loop."""

    def __init__(self) -> None:
        self._hash = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1),))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="password")

    async def hash(self, password: str) -> str:
        """Return the salted hash of *password*."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._hash.hash, _one_form(password))

    async def matches(self, password: str, stored: str) -> bool:
        """Compare in constant time; a stored value that is no Argon2 hash never matches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._verify, _one_form(password), stored)

    def close(self) -> None:
        """Let the thread end after the hash it works on; does not wait."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, stored: str) -> bool:
        return Argon2Hasher.identify(stored) and self._hash.verify(password, stored)


def _one_form(password: str) -> str:
    """Write accented letters in one way: keyboards differ in whether they compose them (Unicode Annex 15)."""
    return unicodedata.normalize("NFC", password)


def generate_password() -> str:
    """Invent a password that can be read aloud: four groups of five, 99 bits."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def is_weak(password: str) -> bool:
    """Tell whether *password* is short, one repeated character, a run of digits, or a known word with some digits."""
    plain = password.casefold().strip()
    word = plain.rstrip("0123456789!?.#*$-_ ")
    return len(plain) < MIN_LENGTH or len(set(plain)) < 3 or not word or word in _WEAK
