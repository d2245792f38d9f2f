"""What the environment says. Imported by ``main``, ``cli``, ``app`` and ``bootstrap`` only; everyone else receives values."""

from backend.config.environment import SettingsError, load_settings
from backend.config.settings import LogFormat, LogLevel, Settings, Theme

__all__ = ["LogFormat", "LogLevel", "Settings", "SettingsError", "Theme", "load_settings"]
