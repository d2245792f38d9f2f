"""Which inputs of which nodes name a model file, and in which of ComfyUI's folders it is looked for."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

# Extensions of weights (ComfyUI's own, and GGUF of the widespread custom node).
WEIGHTS: Final = frozenset({".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft", ".gguf", ".onnx"})

# By class and input, where the name of the input alone would lead elsewhere.
_BY_NODE: Final[dict[tuple[str, str], str]] = {
    ("UpscaleModelLoader", "model_name"): "upscale_models",
    ("LatentUpscaleModelLoader", "model_name"): "latent_upscale_models",
    ("ControlNetLoader", "control_net_name"): "controlnet",
    ("DiffControlNetLoader", "control_net_name"): "controlnet",
    ("CLIPVisionLoader", "clip_name"): "clip_vision",
    ("StyleModelLoader", "style_model_name"): "style_models",
    ("GLIGENLoader", "gligen_name"): "gligen",
    ("HypernetworkLoader", "hypernetwork_name"): "hypernetworks",
    ("PhotoMakerLoader", "photomaker_model_name"): "photomaker",
    ("ModelPatchLoader", "name"): "model_patches",
    ("AudioEncoderLoader", "audio_encoder_name"): "audio_encoders",
    ("LTXAVTextEncoderLoader", "text_encoder"): "text_encoders",
    ("CheckpointLoader", "config_name"): "configs",
    ("DiffusersLoader", "model_path"): "diffusers",
}
_BY_INPUT: Final[dict[str, str]] = {
    "ckpt_name": "checkpoints",
    "unet_name": "diffusion_models",
    "vae_name": "vae",
    "lora_name": "loras",
    "clip_name": "text_encoders",
    "clip_name1": "text_encoders",
    "clip_name2": "text_encoders",
    "clip_name3": "text_encoders",
    "clip_name4": "text_encoders",
    "text_encoder_name": "text_encoders",
    "control_net_name": "controlnet",
    "controlnet_name": "controlnet",
    "style_model_name": "style_models",
    "gligen_name": "gligen",
    "hypernetwork_name": "hypernetworks",
    "upscale_model_name": "upscale_models",
    "embedding_name": "embeddings",
}
# Values of model inputs that name no file: VAELoader builds these from vae_approx, or needs none.
_NO_FILES: Final = frozenset({"taesd", "taesdxl", "taesd3", "taef1", "pixel_space", "none", "None", ""})


def folder_of(class_type: str, name: str) -> str | None:
    """Return the folder in which the input *name* of *class_type* looks for its file; None when that is not known."""
    return _BY_NODE.get((class_type, name)) or _BY_INPUT.get(name)


def is_model_input(class_type: str, name: str, value: str) -> bool:
    """Tell whether the input names a model file: by its name, or by the extension of its value."""
    if value in _NO_FILES:
        return False
    return folder_of(class_type, name) is not None or PurePosixPath(value).suffix.lower() in WEIGHTS
