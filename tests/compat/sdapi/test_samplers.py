"""Names of samplers and schedulers, both ways."""

from __future__ import annotations

import pytest

from backend.compat.sdapi.samplers import Sampling, sampler_list, sampling_for, scheduler_list


@pytest.mark.parametrize(
    ("sampler", "scheduler", "found"),
    [
        ("Euler a", None, Sampling("euler_ancestral", None)),
        ("euler A", "Automatic", Sampling("euler_ancestral", None)),
        ("DPM++ 2M Karras", None, Sampling("dpmpp_2m", "karras")),
        ("DPM++ 2M Karras", "Exponential", Sampling("dpmpp_2m", "exponential")),
        ("DPM++ 2M SDE", "sgm_uniform", Sampling("dpmpp_2m_sde", "sgm_uniform")),
        ("res_multistep", "kl_optimal", Sampling("res_multistep", "kl_optimal")),
        (None, None, Sampling(None, None)),
        ("", "SGM Uniform", Sampling(None, "sgm_uniform")),
    ],
)
def test_every_spelling_is_understood(sampler: str | None, scheduler: str | None, found: Sampling) -> None:
    """A1111's old and new names, and ComfyUI's own."""
    assert sampling_for(sampler, scheduler) == found


def test_lists_show_what_the_server_has() -> None:
    """A1111's names first, then those that it has no name for; all that are known while no server told."""
    assert [each["name"] for each in sampler_list(["heunpp2", "euler", "euler_ancestral"])] == [
        "Euler", "Euler a", "heunpp2",
    ]  # fmt: skip
    assert [each["name"] for each in scheduler_list(["karras", "simple"])] == ["karras", "simple"]
    assert len(sampler_list(())) > 10


def test_every_listed_name_leads_back() -> None:
    """What a client is shown it may send."""
    for entry in sampler_list(()):
        assert sampling_for(str(entry["name"]), None).sampler == entry["aliases"][0]  # type: ignore[index]
