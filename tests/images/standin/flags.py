"""The flags of ComfyUI that a container or its user may give; an unknown one is refused, as the real one refuses it."""

from __future__ import annotations

import argparse
from pathlib import Path

_SWITCHES = (
    "cpu", "lowvram", "normalvram", "highvram", "novram", "gpu-only", "disable-auto-launch", "auto-launch", "force-fp16",
    "force-fp32", "disable-smart-memory", "deterministic", "disable-metadata", "disable-all-custom-nodes",
    "disable-api-nodes", "multi-user", "log-stdout", "quick-test-for-ci", "dont-print-server", "disable-cuda-malloc",
    "cuda-malloc", "use-sage-attention", "use-pytorch-cross-attention", "use-split-cross-attention", "disable-xformers",
    "cache-classic", "cache-none", "enable-manager", "disable-manager-ui", "enable-manager-legacy-ui",
)  # fmt: skip


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1", nargs="?", const="0.0.0.0,::")
    parser.add_argument("--port", type=int, default=8188)
    parser.add_argument("--enable-cors-header", nargs="?", const="*")
    parser.add_argument("--max-upload-size", type=float, default=100)
    parser.add_argument("--base-directory")
    parser.add_argument("--extra-model-paths-config", nargs="+", action="append", default=[])
    for name in ("output", "temp", "input", "user"):
        parser.add_argument(f"--{name}-directory")
    parser.add_argument("--cuda-device", type=int)
    parser.add_argument("--reserve-vram", type=float)
    parser.add_argument("--cache-lru", type=int, default=0)
    parser.add_argument("--preview-method", default="none", choices=("none", "auto", "latent2rgb", "taesd"))
    parser.add_argument("--fast", nargs="*")
    parser.add_argument("--whitelist-custom-nodes", nargs="+", default=[])
    parser.add_argument("--verbose", default="INFO", const="DEBUG", nargs="?")
    parser.add_argument("--front-end-version")
    parser.add_argument("--front-end-root")
    parser.add_argument("--comfy-api-base")
    default = Path(__file__).parent.parent / "user" / "comfyui.db"
    parser.add_argument("--database-url", default=f"sqlite:///{default}")
    for name in _SWITCHES:
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args(argv)
