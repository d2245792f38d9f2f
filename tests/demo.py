"""``make demo``: Hearth beside a local model host and a simulated ComfyUI, without a GPU and without the internet.

Everything on the pages is real except for the weights: real transfers over loopback, real files below ``workspace/demo``,
real checksums. The files hold noise, which is why every page says that this is a demo. One preset needs a token, one meets
a host that answers with a web page, one is slow, so that the unhappy ways can be tried too. The simulated ComfyUI runs
workflows and makes pictures of noise.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.cli.serving import serve
from backend.config import load_settings
from tests.fakes.comfyui import SimulatedComfyUI, Traps
from tests.fakes.hub import HuggingFaceHub
from tests.fakes.model_host import Content, Fault, HtmlPage, Slow

_MB = 1_000_000
_STEP_S = 0.2  # of a simulated sampler: slow enough to be watched
_ACCOUNT = "ada"
_ROOT = Path(__file__).parent.parent


def main() -> None:
    """Serve until Ctrl-C; HOST, PORT, WORKSPACE and ACCESS_PASSWORD steer it as they do for ``make run``."""
    workspace = Path(os.environ.get("WORKSPACE") or _ROOT / "workspace" / "demo")
    with HuggingFaceHub() as hub, SimulatedComfyUI(workspace / "ComfyUI", traps=Traps(step_s=_STEP_S)) as comfyui:
        token = hub.account(_ACCOUNT)
        catalogue = workspace / "config" / "demo-presets"
        _write_presets(hub, catalogue)
        settings, _ = load_settings(
            os.environ,
            workspace=workspace,
            hf_endpoint=hub.endpoint,
            preset_catalog_dir=catalogue,
            comfyui_url=(comfyui.url,),
            demo=True,
            access_password=os.environ.get("ACCESS_PASSWORD") or secrets.token_urlsafe(9),
        )
        assert settings.access_password is not None
        print(
            "\n  This is a demo: a local model host, made-up files, a simulated ComfyUI. Nothing leaves this machine."
            f"\n  Password          {settings.access_password.get_secret_value()}"
            f"\n  For gated files   {token}   (a token of the local host, to paste on the settings page)"
            f"\n  ComfyUI sees      {comfyui.url}/models/checkpoints",
            flush=True,
        )
        serve(settings, as_json=False)


def _write_presets(hub: HuggingFaceHub, folder: Path) -> None:
    image = [_file(hub, "demo/image", "checkpoints", "demo-image.safetensors", 180 * _MB, Slow(15e6))]
    vae = _file(hub, "demo/shared", "vae", "demo-vae.safetensors", 40 * _MB, Slow(20e6))
    video = [
        _file(hub, "demo/video", "diffusion_models", "demo-video-high.safetensors", 420 * _MB, Slow(6e6)),
        _file(hub, "demo/video", "diffusion_models", "demo-video-low.safetensors", 420 * _MB, Slow(6e6)),
        _file(hub, "demo/video", "text_encoders", "demo-text.safetensors", 90 * _MB, Slow(15e6)),
        vae,
    ]
    gated = [_file(hub, "demo/gated", "checkpoints", "demo-gated.safetensors", 120 * _MB, gated=True)]
    hub.gate("demo/gated")
    hub.accept("demo/gated", _ACCOUNT)
    broken = [_file(hub, "demo/broken", "upscale_models", "demo-broken.safetensors", 12 * _MB, HtmlPage())]
    sound = [_file(hub, "demo/audio", "checkpoints", "demo-audio.safetensors", 60 * _MB), vae]
    _write(folder, "demo-image", "image", "Demo image model", "One file of 180 MB at an ordinary speed.", image)
    _write(
        folder, "demo-video", "video", "Demo video model", "Four files from a slow host; try pulling the plug.", video
    )
    _write(folder, "demo-gated", "image", "Demo gated model", "Needs a token; paste the one that was printed.", gated)
    _write(folder, "demo-broken", "tools", "Demo broken host", "The host answers with a web page, not a file.", broken)
    _write(folder, "demo-audio", "audio", "Demo audio model", "Shares its VAE with the video model.", sound)


def _file(
    hub: HuggingFaceHub, repo: str, directory: str, name: str, size: int, *faults: Fault, gated: bool = False
) -> dict[str, Any]:
    content = Content.safetensors(size, seed=sum(name.encode()))
    hub.add(repo, name, content, faults=faults)
    return {
        "directory": directory, "name": name, "url": hub.public_url(repo, name), "size_bytes": size,
        "sha256": content.sha256, **({"gated": True} if gated else {}),
    }  # fmt: skip


def _write(
    folder: Path, preset_id: str, category: str, name: str, description: str, files: Sequence[dict[str, Any]]
) -> None:
    path = folder / category / f"{preset_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "schema": 1, "id": preset_id, "name": name, "category": category, "description": description, "tags": ["demo"],
        "files": list(files),
    }  # fmt: skip
    path.write_text(json.dumps(document, indent=2), "utf-8")


if __name__ == "__main__":
    main()
