"""A simulated ComfyUI: a small real server that speaks the recorded contract, and can be made to misbehave.

It sees model files as the real one does, runs graphs with canned results, and has a switch for every trap that a gateway
must survive. ``tests/contracts`` holds it to recordings of real servers, 0.3.64 and 0.26.

    with SimulatedComfyUI(workspace / "ComfyUI") as comfyui:
        httpx2.get(comfyui.url + "/models/checkpoints").json()
"""

from tests.fakes.comfyui.relay import Relay
from tests.fakes.comfyui.server import SimulatedComfyUI
from tests.fakes.comfyui.traps import Traps

__all__ = ["Relay", "SimulatedComfyUI", "Traps"]
