"""Which inputs of node classes mean what, by their names: ComfyUI's own nodes and most packs agree on these."""

from __future__ import annotations

from collections.abc import Mapping

from backend.generation.workflows.definitions import COMBO, InputDefinition, NodeDefinition
from backend.generation.workflows.inputs.field import Group, Kind, Role

_BY_NAME: Mapping[str, tuple[str, Role]] = {
    "seed": ("INT", Role.SEED),
    "noise_seed": ("INT", Role.SEED),
    "steps": ("INT", Role.STEPS),
    "cfg": ("FLOAT", Role.CFG),
    "guidance": ("FLOAT", Role.GUIDANCE),
    "sampler_name": (COMBO, Role.SAMPLER),
    "scheduler": (COMBO, Role.SCHEDULER),
    "denoise": ("FLOAT", Role.DENOISE),
    "ckpt_name": (COMBO, Role.CHECKPOINT),
    "unet_name": (COMBO, Role.MODEL),
    "lora_name": (COMBO, Role.LORA),
    "vae_name": (COMBO, Role.VAE),
    "clip_name": (COMBO, Role.TEXT_ENCODER),
    "clip_name1": (COMBO, Role.TEXT_ENCODER),
    "clip_name2": (COMBO, Role.TEXT_ENCODER),
    "clip_name3": (COMBO, Role.TEXT_ENCODER),
    "clip_name4": (COMBO, Role.TEXT_ENCODER),
    "control_net_name": (COMBO, Role.CONTROLNET),
}
_OF_CANVAS: Mapping[str, Role] = {
    "width": Role.WIDTH,
    "height": Role.HEIGHT,
    "length": Role.LENGTH,
    "batch_size": Role.BATCH_SIZE,
}
_MAIN = frozenset(
    {Role.PROMPT, Role.NEGATIVE_PROMPT, Role.SEED, Role.WIDTH, Role.HEIGHT, Role.LENGTH, Role.STEPS, Role.CFG}
    | {Role.CHECKPOINT, Role.MODEL, Role.LORA, Role.IMAGE, Role.MASK, Role.AUDIO, Role.VIDEO, Role.FILE}
)
_LABELS: Mapping[Role, str] = {
    Role.CFG: "CFG",
    Role.FPS: "Frames per second",
    Role.LENGTH: "Length in frames",
    Role.LORA: "LoRA",
    Role.LORA_STRENGTH: "LoRA strength",
    Role.VAE: "VAE",
    Role.CONTROLNET: "ControlNet",
}


def role_of(definition: InputDefinition, node: NodeDefinition) -> Role:
    """Return what an input of a class means; OTHER when its name tells nothing."""
    name = definition.name.rpartition(".")[2]
    kind, role = _BY_NAME.get(name, ("", Role.OTHER))
    if kind == definition.type:
        return role
    if definition.type == "INT" and "LATENT" in node.outputs and name in _OF_CANVAS:
        return _OF_CANVAS[name]
    if name in ("fps", "frame_rate") and definition.type in ("INT", "FLOAT"):
        return Role.FPS
    if name == "strength_model" and definition.type == "FLOAT":
        return Role.LORA_STRENGTH
    if name == "model_name" and "UPSCALE_MODEL" in node.outputs:
        return Role.UPSCALE_MODEL
    return Role(upload.value) if (upload := upload_of(definition, node)) is not None else Role.OTHER


def upload_of(definition: InputDefinition, node: NodeDefinition) -> Kind | None:
    """Return what sort of file people upload for an input, None when they do not."""
    options = definition.options
    if options.get("image_upload") or options.get("animated_image_upload"):
        return Kind.MASK if node.outputs == ("MASK",) else Kind.IMAGE
    if options.get("video_upload"):
        return Kind.VIDEO
    if options.get("audio_upload"):
        return Kind.AUDIO
    return Kind.FILE if options.get("file_upload") else None


def kind_of(definition: InputDefinition, node: NodeDefinition, role: Role) -> Kind:
    """Return which sort of value an input takes."""
    upload = upload_of(definition, node)
    if upload is not None:
        return upload
    if definition.choices is not None:
        return Kind.CHOICE
    if role is Role.SEED:
        return Kind.SEED
    plain = {"INT": Kind.INTEGER, "FLOAT": Kind.NUMBER, "BOOLEAN": Kind.BOOLEAN}
    return plain.get(definition.type, Kind.LONG_TEXT if definition.options.get("multiline") is True else Kind.TEXT)


def group_of(role: Role) -> Group:
    """Return where a form shows a field of this role."""
    return Group.MAIN if role in _MAIN else Group.ADVANCED


def label_of(role: Role) -> str:
    """Return what a field of this role is called."""
    return _LABELS.get(role) or role.value.replace("_", " ").capitalize()
