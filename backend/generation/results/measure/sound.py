"""How long sound lasts, from its headers: WAV, FLAC (RFC 9639, 8.2), MP3 (ISO/IEC 11172-3, Xing header), Opus and Vorbis in Ogg."""

from __future__ import annotations

import struct
from typing import BinaryIO

_MAX_CHUNKS = 1000
_OPUS_RATE_HZ = 48_000  # RFC 7845, section 4: granules count at this rate, whatever the input was
_OGG_TAIL_BYTES = 65_536 + 27 + 255  # the longest page
# kbit/s of layer III by (is MPEG-1, index), Hz by MPEG version.
_KBIT_S = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def wav_s(file: BinaryIO, size_bytes: int) -> float | None:
    """Return seconds of a RIFF WAVE: data bytes by the bytes per second that `fmt ` says."""
    file.seek(12)
    bytes_s = 0
    for _ in range(_MAX_CHUNKS):
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind == b"fmt ":
            data = file.read(length)
            (bytes_s,) = struct.unpack_from("<I", data, 8)
            file.seek(length % 2, 1)
        elif kind == b"data":
            # Writers that stream do not know the length and write the largest.
            return min(length, size_bytes - file.tell()) / bytes_s if bytes_s else None
        else:
            file.seek(length + length % 2, 1)
    return None


def flac_s(file: BinaryIO, _size_bytes: int) -> float | None:
    """Return seconds from STREAMINFO: number of samples by their rate."""
    file.seek(8)
    data = file.read(34)
    packed = int.from_bytes(data[10:18], "big")
    rate_hz, samples = packed >> 44, packed & ((1 << 36) - 1)
    return samples / rate_hz if rate_hz and samples else None


def ogg_s(file: BinaryIO, size_bytes: int) -> float | None:
    """Return seconds from the last page's granule position."""
    file.seek(0)
    head = file.read(128)
    if b"OpusHead" in head:
        rate_hz, skip = _OPUS_RATE_HZ, struct.unpack_from("<H", head, head.index(b"OpusHead") + 10)[0]
    elif b"\x01vorbis" in head:
        rate_hz, skip = struct.unpack_from("<I", head, head.index(b"\x01vorbis") + 12)[0], 0
    else:
        return None
    file.seek(max(0, size_bytes - _OGG_TAIL_BYTES))
    tail = file.read()
    last = tail.rfind(b"OggS")
    granule = struct.unpack_from("<q", tail, last + 6)[0]
    return (granule - skip) / rate_hz if rate_hz and granule > skip else None


def mp3_s(file: BinaryIO, size_bytes: int) -> float | None:
    """Return seconds from the Xing header where there is one, else from the first frame's bit rate."""
    start = _after_id3(file)
    file.seek(start)
    head = file.read(4096)
    offset = next((at for at in range(len(head) - 4) if head[at] == 0xFF and head[at + 1] & 0xE6 == 0xE2), None)
    if offset is None:
        return None
    version, rate_at = head[offset + 1] >> 3 & 3, head[offset + 2] >> 2 & 3
    if version == 1 or rate_at == 3:
        return None
    is_first = version == 3
    rate_hz, samples = _RATES_HZ[version][rate_at], 1152 if is_first else 576
    is_mono = head[offset + 3] >> 6 == 3
    xing = offset + 4 + ((17 if is_mono else 32) if is_first else (9 if is_mono else 17))
    if head[xing : xing + 4] in (b"Xing", b"Info") and head[xing + 7] & 1:
        return int(struct.unpack_from(">I", head, xing + 8)[0]) * samples / rate_hz
    bit_rate = head[offset + 2] >> 4
    kbit_s = _KBIT_S[is_first][bit_rate] if bit_rate < 15 else 0
    return (size_bytes - start - offset) * 8 / (kbit_s * 1000) if kbit_s else None


def _after_id3(file: BinaryIO) -> int:
    file.seek(0)
    head = file.read(10)
    if head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:  # seven bits each
        size = size << 7 | byte & 0x7F
    return 10 + size
