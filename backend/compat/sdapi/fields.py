"""What a request to A1111 may say; of its some hundred fields, those that the shipped workflows can mean."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from backend.compat.body import Body

MAX_IMAGES = 16


def _nothing() -> dict[str, Any]:
    return {}


class Txt2Img(Body):
    """A request for pictures from words. Other fields of A1111 are accepted, returned in ``parameters`` and without effect."""

    prompt: str = Field("", max_length=32_000, examples=["a red fox in the snow"])
    negative_prompt: str = Field("", max_length=32_000)
    seed: int = Field(-1, ge=-1, lt=2**64, description="-1 means random")
    steps: int = Field(20, ge=1, le=1000, examples=[20])
    cfg_scale: float = Field(7.0, ge=0, le=100)
    width: int = Field(512, ge=16, le=16_384, description="Pixels", examples=[512])
    height: int = Field(512, ge=16, le=16_384, description="Pixels", examples=[512])
    sampler_name: str | None = Field(None, max_length=100, description="A1111's or ComfyUI's name")
    sampler_index: str | None = Field(None, max_length=100, description="The older field for the same")
    scheduler: str | None = Field(None, max_length=100)
    batch_size: int = Field(1, ge=1, le=MAX_IMAGES)
    n_iter: int = Field(1, ge=1, le=MAX_IMAGES)
    override_settings: dict[str, Any] = Field(  # Any: options of whatever type
        default_factory=_nothing, description="`sd_model_checkpoint` chooses the model for this request"
    )
    send_images: bool = True

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if self.count > MAX_IMAGES:
            raise ValueError(f"batch_size times n_iter may be {MAX_IMAGES} at most")
        return self

    @property
    def count(self) -> int:
        """Return how many images are wanted."""
        return self.batch_size * self.n_iter

    @property
    def checkpoint(self) -> str | None:
        """Return the model that this request alone asks for."""
        name = self.override_settings.get("sd_model_checkpoint")
        return name if isinstance(name, str) and name else None


class Img2Img(Txt2Img):
    """A request for pictures that begin with one."""

    init_images: list[str] = Field(min_length=1, max_length=MAX_IMAGES, description="Base64, or data: addresses")
    mask: str | None = Field(None, description="Base64; white is painted anew")
    resize_mode: int = Field(0, ge=0, le=3, description="1: cut to width and height; else distort as A1111 does")
    inpainting_mask_invert: int = Field(0, ge=0, le=1, description="1: black is painted anew instead")
    denoising_strength: float = Field(0.75, ge=0, le=1, description="0 keeps the picture, 1 forgets it")
    include_init_images: bool = False
