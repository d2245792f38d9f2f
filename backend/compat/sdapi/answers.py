"""Answers in A1111's shape: pictures as base64, and all about them as JSON within JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import JSONResponse

from backend.compat.complaint import Complaint
from backend.compat.sdapi.fields import Img2Img, Txt2Img
from backend.compat.sdapi.runs import Run
from backend.errors import JSON
from backend.kit.clock import utc_now
from backend.version import VERSION


@dataclass(frozen=True, slots=True)
class Facts:
    """How the pictures were made."""

    seed: int
    checkpoint: str
    sampler: str


def tell(complaint: Complaint) -> JSONResponse:
    """Answer *complaint*: ``detail`` and ``errors`` as A1111 has them, ``error`` as every other door of Hearth."""
    error: dict[str, JSON] = {"code": complaint.code, "message": complaint.message, "hint": complaint.hint}
    if complaint.details:
        error["details"] = complaint.details
    sentence = complaint.sentence
    return JSONResponse({"error": error, "detail": sentence, "errors": sentence, "body": ""}, complaint.status)


def pictures_answer(pictures: Sequence[bytes], request: Txt2Img, facts: Facts, *, interrupted: bool) -> bytes:
    """Return the whole answer, encoded; blocking for some 10 ms per picture."""
    parameters = {**request.model_dump(mode="json"), **_without_pictures(request)}
    answer = {
        "images": [base64.b64encode(picture).decode() for picture in pictures] if request.send_images else [],
        "parameters": parameters,
        "info": json.dumps(_info(len(pictures), request, facts, interrupted=interrupted)),
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def progress_answer(runs: Sequence[Run], *, skip_current_image: bool) -> dict[str, JSON]:
    """Return how far the oldest of *runs* is; without any, the answer of an idle server."""
    run = runs[0] if runs else None
    progress = None if run is None else run.progress
    preview = None if run is None or run.preview is None or skip_current_image else run.preview
    return {
        "progress": 0.0 if progress is None else progress.ratio,
        "eta_relative": 0.0 if progress is None else progress.eta_s or 0.0,
        "state": {
            "skipped": False,
            "interrupted": run is not None and run.interrupted,
            "stopping_generation": run is not None and run.interrupted,
            "job": "" if run is None else run.job_id,
            "job_count": sum(each.count for each in runs),
            "job_timestamp": "0" if run is None else run.started_at,
            "job_no": 0 if run is None or progress is None else min(run.count - 1, int(progress.ratio * run.count)),
            "sampling_step": 0 if progress is None else progress.step,
            "sampling_steps": 0 if run is None else (progress.steps if progress is not None else run.steps),
        },
        "current_image": None if preview is None else base64.b64encode(preview).decode(),
        "textinfo": None,
    }


def timestamp() -> str:
    """Return the present time as A1111 names its jobs."""
    return utc_now().strftime("%Y%m%d%H%M%S")


def _without_pictures(request: Txt2Img) -> dict[str, JSON]:
    """A1111 does not send pictures back that the client just sent."""
    return {"init_images": None, "mask": None} if isinstance(request, Img2Img) else {}


def _info(count: int, request: Txt2Img, facts: Facts, *, interrupted: bool) -> Mapping[str, JSON]:
    seeds: list[JSON] = [facts.seed + place for place in range(count)]
    prompts: list[JSON] = [request.prompt] * count
    negatives: list[JSON] = [request.negative_prompt] * count
    subseeds: list[JSON] = [-1] * count
    texts: list[JSON] = [_infotext(request, facts, facts.seed + place) for place in range(count)]
    return {
        "prompt": request.prompt, "all_prompts": prompts,
        "negative_prompt": request.negative_prompt, "all_negative_prompts": negatives,
        "seed": facts.seed, "all_seeds": seeds, "subseed": -1, "all_subseeds": subseeds, "subseed_strength": 0,
        "width": request.width, "height": request.height, "sampler_name": facts.sampler,
        "cfg_scale": request.cfg_scale, "steps": request.steps, "batch_size": request.batch_size,
        "restore_faces": False, "face_restoration_model": None, "sd_model_name": facts.checkpoint,
        "sd_model_hash": "", "sd_vae_name": None, "sd_vae_hash": None, "seed_resize_from_w": -1,
        "seed_resize_from_h": -1, "denoising_strength": _strength(request), "extra_generation_params": {},
        "index_of_first_image": 0, "infotexts": texts, "styles": [], "job_timestamp": timestamp(), "clip_skip": 1,
        "is_using_inpainting_conditioning": False, "version": f"Hearth {VERSION}", "interrupted": interrupted,
    }  # fmt: skip


def _infotext(request: Txt2Img, facts: Facts, seed: int) -> str:
    negative = f"\nNegative prompt: {request.negative_prompt}" if request.negative_prompt else ""
    strength = _strength(request)
    denoising = "" if strength is None else f", Denoising strength: {strength}"
    return (
        f"{request.prompt}{negative}\nSteps: {request.steps}, Sampler: {facts.sampler}, CFG scale: {request.cfg_scale}, "
        f"Seed: {seed}, Size: {request.width}x{request.height}, Model: {facts.checkpoint}{denoising}, "
        f"Version: Hearth {VERSION}"
    )


def _strength(request: Txt2Img) -> float | None:
    return request.denoising_strength if isinstance(request, Img2Img) else None
