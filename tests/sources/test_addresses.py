"""The laws of addresses: what is asked, what never is, and where a token may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.sources import is_forbidden_address
from backend.sources.addresses import checked_url, host_key, may_carry_token, next_hop, origin, without_signature
from backend.sources.errors import ForbiddenAddress, HostFailed, SourceError, TokenInAddress, UnsupportedAddress
from backend.sources.filenames import suggested_name


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "169.254.170.2", "[fd00:ec2::254]", "fd00:ec2::254", "fe80::1%eth0", "100.100.100.200",
        "168.63.129.16", "metadata.google.internal", "METADATA.google.internal.", "2852039166", "0xa9fea9fe",
        "0251.0376.0251.0376", "169.254.43518", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::",
    ],
)  # fmt: skip
def test_metadata_services_are_forbidden_in_every_spelling(host: str) -> None:
    """A cloud hands out credentials there, whatever the address is written like."""
    assert is_forbidden_address(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "192.168.1.5", "10.0.0.2", "nas.local", "nas", "[fd12::1]", "huggingface.co", "", "::1"]
)
def test_hosts_of_the_home_are_allowed(host: str) -> None:
    """A NAS in the same network is where many people keep their models."""
    assert not is_forbidden_address(host)


@pytest.mark.parametrize(
    "url", ["", "model.safetensors", "ftp://host/a", "file:///etc/passwd", "https://", "http://host:99999/a",
            "http://host:0/a", "https://host/a b", "https://host/\x01", "http://[::1/a", "https://host/" + "a" * 9000]
)  # fmt: skip
def test_other_things_than_web_addresses_are_refused(url: str) -> None:
    """One code, whatever is wrong with it."""
    with pytest.raises(UnsupportedAddress):
        checked_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:AbCdEfGh@host/a",
        "https://AbCdEfGh@host/a",
        "https://civitai.com/api/download/models/1?token=AbCdEfGh",
        "https://host/a?x=1&API_KEY=AbCdEfGh",
        "https://host/a?access-token=AbCdEfGh",
        "https://host/a?private_token=AbCdEfGh",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    """The hint tells where tokens belong."""
    with pytest.raises(TokenInAddress) as caught:
        checked_url(url)
    assert "AbCdEfGh" not in str(caught.value.as_dict())
    assert "Tokens" in caught.value.hint


def test_a_checked_address_keeps_its_meaning() -> None:
    """Blanks around it and the fragment go, signatures stay."""
    assert checked_url(" HTTPS://Host/a?X-Amz-Signature=x#part ") == "https://Host/a?X-Amz-Signature=x"
    with pytest.raises(ForbiddenAddress):
        checked_url("http://169.254.169.254/latest")


def test_origins_and_keys_know_the_usual_ports() -> None:
    """A token for a host is not for another port of it."""
    assert host_key("https://Host:443/a") == host_key("http://host:80") == "host"
    assert host_key("http://[::1]:8080/") == "[::1]:8080"
    assert origin("https://host/a") == origin("https://HOST:443/b") != origin("http://host/a")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://example.org/a", True), ("http://example.org/a", False), ("http://8.8.8.8/a", False),
        ("http://127.0.0.1:1/a", True), ("http://192.168.1.2/a", True), ("http://nas/a", True),
        ("http://nas.local/a", True), ("http://local.example.org/", False),
    ],
)  # fmt: skip
def test_a_token_travels_encrypted_or_not_at_all(url: str, allowed: bool) -> None:
    """In the clear only where it does not leave the house."""
    assert may_carry_token(url) is allowed


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    """Nothing that somebody types makes a crash."""
    for url in (text, f"https://{text}", f"http://host/{text}"):
        try:
            checked = checked_url(url)
        except SourceError:
            continue
        assert checked_url(checked) == checked
        host_key(checked), origin(checked), may_carry_token(checked), without_signature(checked)


@given(st.text(max_size=60))
def test_any_redirect_is_followed_or_refused(text: str) -> None:
    """A host cannot crash us by a Location."""
    try:
        target = next_hop("https://host/a", text)
    except HostFailed:
        return
    assert target.startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="a b.safetensors"', "a b.safetensors"),
        ("attachment; filename*=UTF-8''caf%C3%A9.bin", "café.bin"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename=".."', None),
        ('attachment; filename="' + "a" * 300 + '"', None),
        ("inline", "fallback.bin"),
        (None, "fallback.bin"),
    ],
)
def test_a_host_suggests_a_name_never_a_place(disposition: str | None, name: str | None) -> None:
    """Folders, dots and endless names do not pass."""
    assert suggested_name(disposition, "fallback.bin") == name


@given(st.text(max_size=80))
def test_no_suggestion_leaves_the_folder(text: str) -> None:
    """Whatever the field holds, the result is a bare name or nothing."""
    name = suggested_name(f'attachment; filename="{text}"', text)
    assert name is None or ("/" not in name and "\\" not in name and "\x00" not in name and name not in ("", ".", ".."))
