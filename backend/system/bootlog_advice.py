"""What to do about a custom node that could not be imported, from its exception."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# Names under which packages are imported and under which they are installed, where the two differ (PyPI).
_PACKAGES: Mapping[str, str] = {
    "attr": "attrs", "bs4": "beautifulsoup4", "clip": "openai-clip", "cpuinfo": "py-cpuinfo", "crypto": "pycryptodome",
    "cv2": "opencv-python-headless", "dateutil": "python-dateutil", "deepdiff": "deepdiff", "docx": "python-docx",
    "dotenv": "python-dotenv", "fal_client": "fal-client", "fitz": "pymupdf", "git": "gitpython", "google.genai": "google-genai",
    "google.generativeai": "google-generativeai", "groundingdino": "groundingdino-py", "imageio_ffmpeg": "imageio-ffmpeg",
    "jwt": "pyjwt", "llama_cpp": "llama-cpp-python", "magic": "python-magic", "mpl_toolkits": "matplotlib",
    "onnxruntime": "onnxruntime", "openexr": "openexr", "pil": "pillow", "pkg_resources": "setuptools<81",
    "pytorch_lightning": "pytorch-lightning", "segment_anything": "segment-anything", "serial": "pyserial",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "websocket": "websocket-client", "yaml": "pyyaml", "zmq": "pyzmq",
}  # fmt: skip
_MODULE = re.compile(r"No module named ['\"]([\w.]+)['\"]")
_DISTRIBUTION = re.compile(r"No package metadata was found for ([\w.\-]+)")
_LIBRARY = re.compile(r"(lib[\w+\-]+\.so[\w.]*): cannot open shared object file")
_NAME = re.compile(r"cannot import name '(?P<name>[^']+)' from (?:partially initialized module )?'(?P<module>[^']+)'")
_VERSION = re.compile(
    r"(?P<package>[A-Za-z][\w.\-]*?) ?(?:[<>=!~]=?[\w.*]+,? ?)+ ?is required|requires (?P<other>[\w\-]+) ?[<>=!~]"
)
_OWN = {"nodes", "comfy", "comfy_extras", "folder_paths", "execution", "server", "comfy_api", "comfy_execution"}
_TORCH = {"torch", "torchvision", "torchaudio", "xformers", "triton"}
_SYSTEM_PACKAGES: Mapping[str, str] = {
    "libGL": "libgl1",
    "libEGL": "libegl1",
    "libgthread": "libglib2.0-0",
    "libgomp": "libgomp1",
}


class AdviceKind(StrEnum):
    """What kind of thing is to be done."""

    INSTALL = "install"
    LIBRARY = "library"
    UPDATE = "update"
    REINSTALL = "reinstall"
    IMAGE = "image"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do; ``package`` and ``command`` are empty where they would be guesses."""

    kind: AdviceKind
    text: str
    package: str = ""
    command: str = ""


def advise(kind: str, message: str, node: str, pip: str) -> Advice:
    """Return what to do about an exception of type *kind* in the custom node *node*; *pip* installs where ComfyUI looks."""
    for rule in (_missing, _library, _binary, _moved, _version, _broken):
        advice = rule(kind, message, node)
        if advice is not None and advice.kind is AdviceKind.INSTALL:
            quoted = f"'{advice.package}'" if re.search(r"[<>]", advice.package) else advice.package
            return dataclasses.replace(advice, command=f"{pip} install {quoted}")
        if advice is not None:
            return advice
    return Advice(
        AdviceKind.LOOK, f"Look for this message among the issues of {node}, or disable the node until it is mended."
    )


def _missing(_kind: str, message: str, node: str) -> Advice | None:
    module, distribution = _MODULE.search(message), _DISTRIBUTION.search(message)
    if distribution:
        return _install(distribution[1], node)
    if not module:
        return None
    top = module[1].partition(".")[0]
    if top in _OWN:
        text = (
            f"{node} was written for another version of ComfyUI, where {module[1]} exists. Update the node, or ComfyUI."
        )
        return Advice(AdviceKind.UPDATE, text)
    if top in _TORCH:
        text = (
            f"{top} belongs to the image and is not installed by hand. Use an image that brings it, or disable {node}."
        )
        return Advice(AdviceKind.IMAGE, text, package=top)
    package = _PACKAGES.get(module[1].lower()) or _PACKAGES.get(top.lower()) or top.replace("_", "-")
    return _install(package, node)


def _install(package: str, node: str) -> Advice:
    text = f"Install {package}, which {node} needs, and restart ComfyUI. Its requirements.txt may name a version."
    return Advice(AdviceKind.INSTALL, text, package)


def _library(_kind: str, message: str, node: str) -> Advice | None:
    found = _LIBRARY.search(message)
    if not found:
        return None
    library = found[1]
    if library.startswith(("libcu", "libnv", "libnccl", "libtorch")):
        text = f"{node} brings a program built for another CUDA ({library}). Install the build for this image's CUDA, or use another image."
        return Advice(AdviceKind.IMAGE, text)
    system = next((name for start, name in _SYSTEM_PACKAGES.items() if library.startswith(start)), "")
    text = f"The system library {library} is not in this image. Use the variant full, or an image of your own that adds it."
    return Advice(AdviceKind.LIBRARY, text, system)


def _binary(_kind: str, message: str, node: str) -> Advice | None:
    if not re.search(
        r"binary incompatib|dtype size changed|undefined symbol|compiled using NumPy 1|_ARRAY_API|GLIBCXX_", message
    ):
        return None
    text = f"A package that {node} uses was built against other versions than those installed, most often NumPy's or PyTorch's. Install it again."
    return Advice(AdviceKind.REINSTALL, text)


def _moved(kind: str, message: str, node: str) -> Advice | None:
    found = _NAME.search(message)
    if found is None:
        if kind != "AttributeError":
            return None
        return Advice(
            AdviceKind.UPDATE,
            f"{node} uses something that a newer package, or ComfyUI, does not have any more. Update it.",
        )
    top = found["module"].partition(".")[0]
    if top in _OWN:
        text = f"{node} was written for another version of ComfyUI, where {found['name']} exists. Update the node, or ComfyUI."
        return Advice(AdviceKind.UPDATE, text)
    package = _PACKAGES.get(top.lower(), top.replace("_", "-"))
    text = f"The installed {package} has no {found['name']}: {node} was written for another version of it. Update the node; its requirements.txt names the version."
    return Advice(AdviceKind.UPDATE, text, package)


def _version(_kind: str, message: str, node: str) -> Advice | None:
    found = _VERSION.search(message)
    if not found:
        return None
    package = found["package"] or found["other"]
    return Advice(
        AdviceKind.REINSTALL,
        f"{node} refuses the installed version of {package}. Install the one that it names.",
        package,
    )


def _broken(kind: str, _message: str, node: str) -> Advice | None:
    if kind in ("SyntaxError", "IndentationError", "TabError"):
        text = f"The code of {node} cannot be read by this Python: the download was cut, a merge went wrong, or it needs a newer Python. Install the node again."
        return Advice(AdviceKind.REINSTALL, text)
    if kind == "NoNodes":
        return Advice(
            AdviceKind.LOOK, f"{node} is a folder without nodes. If it is not a node pack, move it out of custom_nodes."
        )
    return None
