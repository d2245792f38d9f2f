"""Samplers and schedulers under the names that A1111's clients know, and under ComfyUI's own.

The pairs are those of A1111 1.10 (``modules/sd_samplers_kdiffusion.py``, ``modules/sd_schedulers.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.errors import JSON

SAMPLERS: Mapping[str, str] = {
    "Euler": "euler",
    "Euler a": "euler_ancestral",
    "Heun": "heun",
    "LMS": "lms",
    "DPM2": "dpm_2",
    "DPM2 a": "dpm_2_ancestral",
    "DPM fast": "dpm_fast",
    "DPM adaptive": "dpm_adaptive",
    "DPM++ 2S a": "dpmpp_2s_ancestral",
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
    "DPM++ SDE": "dpmpp_sde",
    "DDIM": "ddim",
    "UniPC": "uni_pc",
    "LCM": "lcm",
}
SCHEDULERS: Mapping[str, str] = {
    "Automatic": "normal",
    "Karras": "karras",
    "Exponential": "exponential",
    "SGM Uniform": "sgm_uniform",
    "Simple": "simple",
    "Normal": "normal",
    "DDIM": "ddim_uniform",
    "Beta": "beta",
    "KL Optimal": "kl_optimal",
    "Linear Quadratic": "linear_quadratic",
}
_SCHEDULER_NAMES: Mapping[str, str] = {label.lower().replace(" ", "_"): own for label, own in SCHEDULERS.items()}


@dataclass(frozen=True, slots=True)
class Sampling:
    """What to sample with, in ComfyUI's words; None leaves it to the workflow."""

    sampler: str | None
    scheduler: str | None


def sampling_for(sampler: str | None, scheduler: str | None) -> Sampling:
    """Translate the two names; older clients put the scheduler behind the sampler: ``DPM++ 2M Karras``.

    A name that is not known passes as it is, so that ComfyUI's own and those of custom nodes can be used.
    """
    name = (sampler or "").strip()
    plan = (scheduler or "").strip()
    lowered = {label.lower(): own for label, own in SAMPLERS.items()}
    if name.lower() not in lowered:
        stem, _, last = name.rpartition(" ")
        if stem.lower() in lowered and last.lower() in _SCHEDULER_NAMES:
            name, plan = stem, plan if plan.lower() not in ("", "automatic") else last
    return Sampling(lowered.get(name.lower(), name) or None, _scheduler(plan))


def sampler_list(choices: Sequence[JSON]) -> list[dict[str, JSON]]:
    """List the samplers that the workflow can use, A1111's names first; without choices, all that are known."""
    offered = [choice for choice in choices if isinstance(choice, str)] or list(SAMPLERS.values())
    known: list[dict[str, JSON]] = [
        {"name": label, "aliases": [own], "options": {}} for label, own in SAMPLERS.items() if own in offered
    ]
    others = [own for own in offered if own not in SAMPLERS.values()]
    return [*known, *({"name": own, "aliases": [], "options": {}} for own in others)]


def scheduler_list(choices: Sequence[JSON]) -> list[dict[str, JSON]]:
    """List the schedulers that the workflow can use, likewise."""
    offered = [choice for choice in choices if isinstance(choice, str)] or list(SCHEDULERS.values())
    labels = {label: own for label, own in SCHEDULERS.items() if own in offered}
    labels |= {own: own for own in offered if own not in SCHEDULERS.values()}
    return [
        {
            "name": label.lower().replace(" ", "_"), "label": label, "aliases": [own], "default_rho": -1.0,
            "need_inner_model": False,
        }
        for label, own in labels.items()
    ]  # fmt: skip


def _scheduler(name: str) -> str | None:
    if name.lower() in ("", "automatic"):
        return None
    return _SCHEDULER_NAMES.get(name.lower().replace(" ", "_"), name)
