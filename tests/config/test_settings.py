"""The environment is read once, completely and kindly."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.config import Settings, SettingsError, load_settings
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
    with pytest.raises(SettingsError, match=r"HF_TOKEN_FILE points to '.*missing', which cannot be read"):
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
        "access_password", "hf_token", "civitai_token", "github_token", "webhook_secret",
        "results_s3_access_key_id", "results_s3_secret_access_key",
    }  # fmt: skip


@pytest.mark.parametrize("value", ["nginx", "10.0.0.0/33", "127.0.0.1, proxy.example"])
def test_trusted_proxies_are_addresses(value: str) -> None:
    """A name that nobody resolves would silently trust nobody."""
    with pytest.raises(SettingsError, match=r"TRUSTED_PROXIES is .*, but it must hold addresses, networks"):
        load_settings({"TRUSTED_PROXIES": value})


@pytest.mark.parametrize("value", ["10.0.0.0/8, ::1", "*", "fd00::/8;127.0.0.1"])
def test_trusted_proxies_may_be_networks_or_everybody(value: str) -> None:
    """IPv4, IPv6, or any, for containers that only a proxy can reach."""
    assert load_settings({"TRUSTED_PROXIES": value})[0].trusted_proxies


def test_a_secret_in_the_wrong_form_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the settings are built from another place than the environment."""
    with pytest.raises(SettingsError) as caught:
        load_settings({}, access_password=["not", "a", "string", "secretvalue"])

    assert "secretvalue" not in str(caught.value.as_dict())
    assert "ACCESS_PASSWORD is a value that is kept secret" in caught.value.message


def test_settings_cannot_be_changed_after_the_start() -> None:
    """Everybody sees the same values."""
    settings, _ = load_settings({})

    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
    assert settings.config_dir == settings.workspace / "config"


def test_the_workspace_is_the_volume_in_a_container_and_a_folder_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hearth's own image says so; a path that is given always counts."""
    monkeypatch.setenv("HEARTH_CONTAINER", "1")
    assert load_settings({})[0].workspace == Path("/workspace")
    assert load_settings({"WORKSPACE": "/data"})[0].workspace == Path("/data")


@pytest.mark.parametrize(
    ("name", "value", "field", "meant"),
    [
        ("DISK_RESERVE", "5GB", "disk_reserve", 5 * 10**9),
        ("DOWNLOAD_RATE_LIMIT", "20MB/s", "download_rate_limit", 20 * 10**6),
        ("DASHBOARD_THEME", " Light ", "dashboard_theme", "light"),
        ("LOG_LEVEL", "WARNING", "log_level", "warning"),
        ("HF_ENDPOINT", "https://mirror.test/", "hf_endpoint", "https://mirror.test"),
        ("CORS_ORIGINS", "https://a.test/, https://b.test", "cors_origins", ("https://a.test", "https://b.test")),
        ("ENABLE_DASHBOARD", "false", "enable_dashboard", False),
        ("ENABLE_UNIFIED_DASHBOARD", "0", "enable_dashboard", False),
        ("WEB_PASSWORD_FILE", "", "access_password", None),
    ],
)
def test_values_are_read_the_way_people_write_them(name: str, value: str, field: str, meant: object) -> None:
    """Units, capitals, spaces and trailing slashes do not matter."""
    assert getattr(load_settings({name: value})[0], field) == meant


BUCKET_KEYS = {"RESULTS_S3_ACCESS_KEY_ID": "AKIAEXAMPLE", "RESULTS_S3_SECRET_ACCESS_KEY": "a-long-secret"}


@pytest.mark.parametrize("url", ["s3://pictures", "s3://pictures/", "s3://my.old_Bucket-1/hearth/outputs_2"])
def test_a_bucket_is_named_with_its_keys(url: str) -> None:
    """A bucket alone or with a prefix; the keys may come from files as every secret may."""
    settings, _ = load_settings({"RESULTS_S3_URL": url, **BUCKET_KEYS})

    assert settings.results_s3_url == url
    with pytest.raises(SettingsError, match="RESULTS_S3_SECRET_ACCESS_KEY must be set too"):
        load_settings({"RESULTS_S3_URL": url, "RESULTS_S3_ACCESS_KEY_ID": "AKIAEXAMPLE"})


@pytest.mark.parametrize(
    "url",
    ["pictures", "https://host/pictures", "s3://a", "s3://pictures/../x", "s3://pictures//x", "s3://pictures/a b"],
)
def test_what_is_no_bucket_is_refused(url: str) -> None:
    """The sentence says what one looks like."""
    with pytest.raises(SettingsError, match="s3://bucket/prefix"):
        load_settings({"RESULTS_S3_URL": url, **BUCKET_KEYS})


def test_keys_in_the_address_of_a_bucket_are_not_repeated() -> None:
    """Nobody reads them in the error of a start that fails."""
    with pytest.raises(SettingsError) as caught:
        load_settings({"RESULTS_S3_URL": "s3://AKIAEXAMPLE:a-long-secret@pictures/x", **BUCKET_KEYS})

    assert "a-long-secret" not in caught.value.message
