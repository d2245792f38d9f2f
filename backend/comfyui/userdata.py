"""What a ComfyUI keeps for its user: settings, and files such as saved workflows."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from backend.comfyui.errors import OutputNotFound
from backend.comfyui.shapes import mapping, number, sequence, text, whole
from backend.comfyui.wire import Wire
from backend.errors import JSON


@dataclass(frozen=True, slots=True)
class UserFile:
    """A file of the user; ``path`` is relative to the folder that was listed, ``modified_s`` in seconds since 1970."""

    path: str
    size_bytes: int | None
    modified_s: float | None


class UserData:
    """Read and write settings and files of the server's default user."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def settings(self) -> dict[str, JSON]:
        """Return every setting that is not at its default."""
        return mapping(await self._wire.json("GET", "/settings"))

    async def change_settings(self, values: dict[str, JSON]) -> None:
        """Set the settings in *values*; others stay."""
        await self._wire.tell("POST", "/settings", values)

    async def list(self, folder: str) -> list[UserFile]:
        """Return the files below *folder*, none where it does not exist."""
        query: dict[str, str | int] = {"dir": folder, "recurse": "true", "full_info": "true"}
        path = "/userdata"
        reply = await self._wire.ask("GET", path, query=query)
        if reply.status == 404:
            return []
        if reply.status != 200:
            raise self._wire.refused(reply.status, path)
        entries = (mapping(each) for each in sequence(await reply.document()))
        return [
            UserFile(text(each.get("path")) or "", whole(each.get("size")), number(each.get("modified")))
            for each in entries
        ]

    async def read(self, path: str) -> bytes:
        """Return the content of a file.

        Raises:
            OutputNotFound: It is not there.
        """
        reply = await self._wire.ask("GET", _route(path))
        if reply.status in (403, 404):
            raise OutputNotFound(f"ComfyUI has no file {path}.")
        if reply.status != 200:
            raise self._wire.refused(reply.status, "/userdata")
        return reply.body

    async def write(self, path: str, content: bytes, *, overwrite: bool = True) -> bool:
        """Store *content*; False when the file exists and may not be replaced."""
        query: dict[str, str | int] = {"overwrite": "true" if overwrite else "false"}
        reply = await self._wire.ask("POST", _route(path), query=query, content=content)
        if reply.status == 409:
            return False
        if reply.status != 200:
            raise self._wire.refused(reply.status, "/userdata")
        return True

    async def delete(self, path: str) -> bool:
        """Delete a file; False when there was none."""
        reply = await self._wire.ask("DELETE", _route(path))
        if reply.status not in (204, 404):
            raise self._wire.refused(reply.status, "/userdata")
        return reply.status == 204


def _route(path: str) -> str:
    # The server wants one path segment, slashes included.
    return f"/userdata/{quote(path, safe='')}"
