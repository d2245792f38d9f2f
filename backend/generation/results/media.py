"""Tell what a file is by its first bytes; its name counts only where bytes cannot tell (text, latents, OBJ).

Signatures: PNG (RFC 2083), JPEG (ITU T.81), GIF89a, RIFF, ISO/IEC 14496-12 (``ftyp``), Matroska (RFC 8794), Ogg (RFC 3533),
FLAC (RFC 9639), MPEG audio (ISO/IEC 11172-3), glTF 2.0, safetensors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backend.generation.results.item import Kind
from backend.generation.results.measure.animation import is_animated_gif, is_animated_png, is_animated_webp
from backend.kit.headers import inspect_header

_HEAD_BYTES = 4096
_MAX_EXTENSION = 10


@dataclass(frozen=True, slots=True)
class Media:
    """What a file is: its MIME type, what that means for people, and the extension that fits (without a dot)."""

    mime: str
    kind: Kind
    extension: str


_PNG = Media("image/png", Kind.IMAGE, "png")
_WEBP = Media("image/webp", Kind.IMAGE, "webp")
_GIF = Media("image/gif", Kind.IMAGE, "gif")
_AVIF = Media("image/avif", Kind.IMAGE, "avif")
_ANYTHING = "application/octet-stream"

_SIGNATURES: tuple[tuple[bytes, Media], ...] = (
    (b"\x89PNG\r\n\x1a\n", _PNG),
    (b"\xff\xd8\xff", Media("image/jpeg", Kind.IMAGE, "jpg")),
    (b"GIF87a", _GIF),
    (b"GIF89a", _GIF),
    (b"II*\x00", Media("image/tiff", Kind.IMAGE, "tiff")),
    (b"MM\x00*", Media("image/tiff", Kind.IMAGE, "tiff")),
    (b"v/1\x01", Media("image/x-exr", Kind.IMAGE, "exr")),
    (b"\xff\x0a", Media("image/jxl", Kind.IMAGE, "jxl")),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", Media("image/jxl", Kind.IMAGE, "jxl")),
    (b"fLaC", Media("audio/flac", Kind.AUDIO, "flac")),
    (b"ID3", Media("audio/mpeg", Kind.AUDIO, "mp3")),
    (b"glTF", Media("model/gltf-binary", Kind.MODEL, "glb")),
    (b"ply\n", Media("model/ply", Kind.MODEL, "ply")),
    (b"ply\r\n", Media("model/ply", Kind.MODEL, "ply")),
    (b"Kaydara FBX Binary", Media("model/vnd.fbx", Kind.MODEL, "fbx")),
)

# Brands of ISO base media (MP4RA registry); whatever else says `ftyp` is a video in MP4.
_BRANDS = {
    b"avif": _AVIF,
    b"avis": Media("image/avif", Kind.ANIMATION, "avif"),
    b"heic": Media("image/heic", Kind.IMAGE, "heic"),
    b"qt  ": Media("video/quicktime", Kind.VIDEO, "mov"),
    b"M4A ": Media("audio/mp4", Kind.AUDIO, "m4a"),
}

_RIFF = {
    b"WEBP": _WEBP,
    b"WAVE": Media("audio/wav", Kind.AUDIO, "wav"),
    b"AVI ": Media("video/x-msvideo", Kind.VIDEO, "avi"),
}

_BY_NAME = {
    "obj": Media("model/obj", Kind.MODEL, "obj"),
    "stl": Media("model/stl", Kind.MODEL, "stl"),
    "gltf": Media("model/gltf+json", Kind.MODEL, "gltf"),
    "usdz": Media("model/vnd.usdz+zip", Kind.MODEL, "usdz"),
    "ply": Media("model/ply", Kind.MODEL, "ply"),
    "splat": Media("model/x-splat", Kind.MODEL, "splat"),
    "ksplat": Media("model/x-splat", Kind.MODEL, "ksplat"),
    "spz": Media("model/x-spz", Kind.MODEL, "spz"),
}
_TEXTS = {
    "json": "application/json",
    "csv": "text/csv",
    "md": "text/markdown",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
}
_MARKUP = (b"<svg", b"<?xml", b"<!doctype", b"<html", b"<script")


def sniff(path: Path, name: str) -> Media:
    """Look into the file at *path*, which somebody called *name*; blocking.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    found = _by_content(head)
    if found is not None:
        return _animated(path, found)
    extension = _extension(name)
    if extension == "latent" and inspect_header(path, path.stat().st_size, name="latent.safetensors") is None:
        return Media("application/x-latent", Kind.LATENT, "latent")
    return _by_name(head, extension)


def _by_content(head: bytes) -> Media | None:
    for signature, media in _SIGNATURES:
        if head.startswith(signature):
            return media
    return _by_container(head) or _by_frame(head)


def _by_container(head: bytes) -> Media | None:
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], Media("video/mp4", Kind.VIDEO, "mp4"))
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska(head)
    if head[:4] == b"OggS":
        return Media("audio/ogg", Kind.AUDIO, "opus" if b"OpusHead" in head[:64] else "ogg")
    return None


def _by_frame(head: bytes) -> Media | None:
    """Recognise formats whose signature is short, so that a second field must agree."""
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in (12, 40, 108, 124):
        return Media("image/bmp", Kind.IMAGE, "bmp")
    if len(head) > 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] & 0xF0 not in (0, 0xF0):
        return Media("audio/mpeg", Kind.AUDIO, "mp3")
    return None


def _matroska(head: bytes) -> Media:
    is_webm = b"webm" in head[:64]
    return Media("video/webm", Kind.VIDEO, "webm") if is_webm else Media("video/x-matroska", Kind.VIDEO, "mkv")


def _animated(path: Path, media: Media) -> Media:
    look: dict[str, Callable[[Path], bool]] = {
        "image/png": is_animated_png,
        "image/webp": is_animated_webp,
        "image/gif": is_animated_gif,
    }
    moves = look.get(media.mime)
    return Media(media.mime, Kind.ANIMATION, media.extension) if moves is not None and moves(path) else media


def _by_name(head: bytes, extension: str) -> Media:
    is_text = _is_text(head)
    if extension == "svg" and is_text and b"<svg" in head:
        return Media("image/svg+xml", Kind.IMAGE, "svg")
    if extension in _BY_NAME and not _is_markup(head):
        return _BY_NAME[extension]
    if is_text and not _is_markup(head):
        known = extension if extension in _TEXTS else "txt"
        return Media(_TEXTS.get(known, "text/plain"), Kind.TEXT, known)
    # Markup that nobody declared to be a drawing is bytes: it must never be shown as a page.
    return Media(_ANYTHING, Kind.FILE, "bin" if is_text or not extension else extension)


def _is_text(head: bytes) -> bool:
    """Tell whether these bytes read as UTF-8; a character may be cut at the end."""
    if not head or b"\0" in head:
        return False
    for cut in range(min(4, len(head))):
        try:
            head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return True
    return False


def _is_markup(head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:256].lower()
    return start.startswith(_MARKUP)


def _extension(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower().lstrip(".")
    return suffix if suffix.isascii() and suffix.isalnum() and len(suffix) <= _MAX_EXTENSION else ""
