"""What services write: cut into lines with time and level, read from the end, and followed over rotations."""

from backend.system.logs.entry import Entry, Level, LevelReader, at_least, parse_line
from backend.system.logs.files import FileLog
from backend.system.logs.ports import LogReader, LogSource, NoLog
from backend.system.logs.ring import RingLog

__all__ = [
    "Entry",
    "FileLog",
    "Level",
    "LevelReader",
    "LogReader",
    "LogSource",
    "NoLog",
    "RingLog",
    "at_least",
    "parse_line",
]
