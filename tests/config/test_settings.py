"""The environment is read once, completely and kindly."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.config import SettingsError, Settings, load_settings
from backend.config.environment import is_secret, variable_names


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    """Nothing has to be set."""
    settings, warnings = load_settings({})

    assert warnings == []
    assert (settings.port, settings.max_parallel_downloads, settings.download_retries) == (8000, 4, 3)
    assert settings.access_password is None


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "web", "integer"),
        ("PORT", "70000", "65535"),
        ("DASHBOARD_THEME", "pink", "high-contrast"),
        ("MAX_PARALLEL_DOWNLOADS", "0", "greater than or equal to 1"),
        ("DISK_RESERVE", "lots", "1.5GiB"),
        ("DOWNLOAD_RATE_LIMIT", "fast", "500MB"),
        ("ENABLE_DASHBOARD", "perhaps", "boolean"),
        ("CORS_ORIGINS", "*", "name the origins"),
        ("HF_ENDPOINT", "ftp://hub", "https://"),
        ("TIME_ZONE", "Mars/Olympus", "Europe/Berlin"),
        ("UMASK", "9", "pattern"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_says_what_is_allowed(name: str, value: str, allowed: str) -> None:
    """The variable, its value and the rule are all named."""
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})

    assert name in caught.value.message
    assert repr(value) in caught.value.message
    assert allowed in caught.value.message
    assert "\n" not in caught.value.message


def test_the_alias_that_was_used_is_the_name_in_the_error() -> None:
    """People look for the name that they wrote."""
    with pytest.raises(SettingsError, match="MAX_CONCURRENT_DOWNLOADS is 'x'"):
        load_settings({"MAX_CONCURRENT_DOWNLOADS": "x"})


def test_secrets_come_from_files_and_stay_out_of_errors(tmp_path: Path) -> None:
    """A *_FILE variable names a file whose content is the value; neither form is ever printed."""
    token = tmp_path / "token"
    token.write_text("hf_secretvalue\n")
    settings, _ = load_settings({"HF_TOKEN_FILE": str(token)})

    assert settings.hf_token is not None
    assert settings.hf_token.get_secret_value() == "hf_secretvalue"
    assert "secretvalue" not in repr(settings)
    with pytest.raises(SettingsError, match="HF_TOKEN_FILE points to '.*missing', which cannot be read"):
        load_settings({"HF_TOKEN_FILE": str(tmp_path / "missing")})


def test_names_of_other_images_work_and_disagreement_is_said_once() -> None:
    """The canonical name wins, and a person is told."""
    settings, warnings = load_settings(
        {"HF_TOKEN": "one-token", "HF_API_TOKEN": "another", "CLI_ARGS": "--lowvram --x 'a b'"}
    )

    assert settings.hf_token is not None
    assert settings.hf_token.get_secret_value() == "one-token"
    assert settings.comfyui_args == ("--lowvram", "--x", "a b")
    assert warnings == ["HF_TOKEN and HF_API_TOKEN disagree; HF_TOKEN counts."]


def test_an_empty_variable_means_not_set() -> None:
    """Compose files pass empty strings for what the user left out."""
    settings, _ = load_settings({"ACCESS_PASSWORD": "", "PORT": " ", "PRESET_DOWNLOAD": ""})

    assert settings.access_password is None
    assert settings.port == 8000
    assert settings.startup_presets == ()


def test_startup_presets_are_joined_in_order_without_repeats() -> None:
    """The three variables make one list."""
    settings, _ = load_settings(
        {"PRESET_DOWNLOAD": "A, B", "IMAGE_PRESET_DOWNLOAD": "B,C", "AUDIO_PRESET_DOWNLOAD": "D;"}
    )

    assert settings.startup_presets == ("A", "B", "C", "D")


def test_every_variable_has_one_meaning() -> None:
    """No name or alias is read for two settings, and each has a doc line."""
    names = [name for field, info in Settings.model_fields.items() for name in variable_names(field, info)]

    assert len(names) == len(set(names))
    assert all(info.description for info in Settings.model_fields.values())
    assert {f for f, info in Settings.model_fields.items() if is_secret(info)} == {
        "access_password", "hf_token", "civitai_token", "github_token",
    }  # fmt: skip
