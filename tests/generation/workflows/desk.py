"""A small server's classes, and a desk on which tests lay out workflows as ComfyUI's editor saves them."""

from __future__ import annotations

from typing import Any

from backend.generation.workflows import convert

SAMPLERS = ["euler", "heun"]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def made(required: dict[str, Any], outputs: list[str], *, optional: dict[str, Any] | None = None, **more: Any) -> Any:
    """One class of GET /object_info."""
    return {
        "input": {"required": required, "optional": optional or {}},
        "input_order": {"required": list(required), "optional": list(optional or {})},
        "output": outputs,
        "output_node": False,
        **more,
    }


def number(default: float, low: float, high: float, kind: str = "INT", **more: Any) -> list[Any]:
    return [kind, {"default": default, "min": low, "max": high, **more}]


OBJECT_INFO: dict[str, Any] = {
    "Loader": made({"ckpt_name": [["a.safetensors", "b.safetensors"], {}]}, ["MODEL", "CLIP", "VAE"]),
    "Lora": made(
        {
            "model": ["MODEL"],
            "lora_name": [["fast.safetensors"], {}],
            "strength_model": number(1.0, -10.0, 10.0, "FLOAT"),
        },
        ["MODEL"],
    ),
    "Encode": made({"text": ["STRING", {"multiline": True, "dynamicPrompts": True}], "clip": ["CLIP"]}, ["CONDITIONING"]),
    "Canvas": made(
        {
            "width": number(512, 16, 4096, step=8),
            "height": number(512, 16, 4096, step=8),
            "batch_size": number(1, 1, 64),
        },
        ["LATENT"],
    ),
    "Sampler": made(
        {
            "model": ["MODEL"],
            "seed": number(0, 0, 2**64 - 1, control_after_generate=True),
            "steps": number(20, 1, 1000),
            "cfg": number(8.0, 0.0, 100.0, "FLOAT"),
            "sampler_name": [SAMPLERS, {}],
            "scheduler": ["COMBO", {"options": ["normal", "simple"]}],
            "positive": ["CONDITIONING"],
            "negative": ["CONDITIONING"],
            "latent_image": ["LATENT"],
            "denoise": number(1.0, 0.0, 1.0, "FLOAT"),
        },
        ["LATENT"],
    ),
    "Guide": made(
        {"positive": ["CONDITIONING"], "negative": ["CONDITIONING"], "strength": number(1.0, 0.0, 2.0, "FLOAT")},
        ["CONDITIONING", "CONDITIONING"],
    ),
    "ConditioningZeroOut": made({"conditioning": ["CONDITIONING"]}, ["CONDITIONING"]),
    "Decode": made({"samples": ["LATENT"], "vae": ["VAE"]}, ["IMAGE"]),
    "Save": made({"images": ["IMAGE"], "filename_prefix": ["STRING", {"default": "out"}]}, [], output_node=True),
    "Open": made(
        {"image": [["here.png"], {"image_upload": True}]},
        ["IMAGE", "MASK"],
        optional={"rotate": number(0, 0, 360)},
        display_name="Open Image",
    ),
    "Tint": made({"image": ["IMAGE"], "amount": number(0.5, 0.0, 1.0, "FLOAT")}, ["IMAGE"]),
    "Blend": made({"image": ["IMAGE"], "mask": ["MASK"]}, ["MASK", "IMAGE"]),
    "Forced": made({"image": ["IMAGE"], "count": ["INT", {"forceInput": True}], "size": number(3, 0, 9)}, ["IMAGE"]),
    "Resize": made(
        {
            "image": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "IMAGE,MASK"}}],
            "how": [
                "COMFY_DYNAMICCOMBO_V3",
                {
                    "options": [
                        {"key": "size", "inputs": {"required": {"width": number(64, 1, 999), "height": number(64, 1, 999)}}},
                        {"key": "factor", "inputs": {"required": {"factor": number(1.0, 0.1, 8.0, "FLOAT")}}},
                        {"key": "match", "inputs": {"required": {"other": ["IMAGE", {}]}}},
                    ]
                },
            ],
            "method": [["area", "lanczos"], {}],
        },
        ["IMAGE"],
    ),
    "Stack": made(
        {"images": ["COMFY_AUTOGROW_V3", {"template": {"input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image", "min": 1, "max": 5}}]},
        ["IMAGE"],
    ),
    "Rows": made(
        {
            "image": ["IMAGE"],
            "rows": ["COMFY_DYNAMICGROUP_V3", {"min": 0, "max": 4, "template": {"required": {"lora": [["x", "y"], {}], "strength": number(1.0, 0.0, 2.0, "FLOAT")}}}],
            "after": number(5, 0, 9),
        },
        ["IMAGE"],
    ),
    "Pick": made({"choice": [["p", "q"], {"control_after_generate": True}], "after": number(1, 0, 9)}, ["STRING"]),
    "Curve": made({"image": ["IMAGE"], "points": ["OWN_WIDGET", {}], "amount": number(0.5, 0.0, 1.0, "FLOAT")}, ["IMAGE"]),
    "Many": made({"image": ["IMAGE"], "tags": [["red", "blue"], {"multiselect": True}]}, ["IMAGE"]),
    "PrimitiveInt": made({"value": number(0, -(2**53), 2**53)}, ["INT"], display_name="Int"),
    "PrimitiveString": made({"value": ["STRING", {"multiline": True}]}, ["STRING"], display_name="String"),
    "CustomCombo": made({"choice": ["COMBO", {"options": []}]}, ["STRING", "INT"]),
}  # fmt: skip


class Desk:
    """A canvas: nodes and links as the editor writes them."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.links: list[list[Any]] = []
        self.subgraphs: list[dict[str, Any]] = []
        self._next_link = 100

    def node(
        self,
        kind: str,
        *values: Any,
        inputs: dict[str, str] | None = None,
        outputs: list[str] | None = None,
        widgets: tuple[str, ...] = (),
        **more: Any,
    ) -> dict[str, Any]:
        """Put down a node; its sockets follow its class unless they are given (name to type)."""
        definition = OBJECT_INFO.get(kind)
        if inputs is None:
            groups = definition["input"] if definition else {"required": {}, "optional": {}}
            every = {**groups["required"], **groups["optional"]}
            plain = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "OWN_WIDGET")
            inputs = {
                name: spec[1]["template"]["allowed_types"] if "MATCH" in spec[0] else spec[0]
                for name, spec in every.items()
                if isinstance(spec[0], str)
                and (spec[0] not in plain or (len(spec) > 1 and spec[1].get("forceInput")))
                and ("COMFY_" not in spec[0] or "MATCH" in spec[0])
            }
        if outputs is None:
            outputs = definition["output"] if definition else []
        made_node = {
            "id": len(self.nodes) + 1,
            "type": kind,
            "pos": [0, 100 * len(self.nodes)],
            "mode": 0,
            "inputs": [{"name": name, "type": each, "link": None} for name, each in inputs.items()],
            "outputs": [{"name": each, "type": each, "links": []} for each in outputs],
            "properties": {},
            "widgets_values": list(values),
            **more,
        }
        for name in widgets:
            made_node["inputs"].append({"name": name, "type": "*", "link": None, "widget": {"name": name}})
        self.nodes.append(made_node)
        return made_node

    def link(self, origin: dict[str, Any], slot: int, target: dict[str, Any], name: str) -> int:
        """Join an output to an input by name."""
        place = [socket["name"] for socket in target["inputs"]].index(name)
        link_id = self._next_link = self._next_link + 1
        kind = origin["outputs"][slot]["type"]
        self.links.append([link_id, origin["id"], slot, target["id"], place, kind])
        target["inputs"][place]["link"] = link_id
        origin["outputs"][slot]["links"].append(link_id)
        return link_id

    def saved(self) -> dict[str, Any]:
        """The workflow as a file has it."""
        content: dict[str, Any] = {"version": 0.4, "nodes": self.nodes, "links": self.links, "groups": []}
        if self.subgraphs:
            content["definitions"] = {"subgraphs": self.subgraphs}
        return content

    def subgraph(self, subgraph_id: str, inside: Desk, ports: Ports) -> None:
        """Define a subgraph whose canvas is another desk."""
        self.subgraphs.append(
            {
                "id": subgraph_id,
                "name": subgraph_id,
                "inputNode": {"id": -10},
                "outputNode": {"id": -20},
                "inputs": ports.inputs,
                "outputs": ports.outputs,
                "nodes": inside.nodes,
                "links": [_as_object(link) for link in [*inside.links, *ports.links]],
            }
        )
        self.subgraphs.extend(inside.subgraphs)


class Ports:
    """The borders of a subgraph: what goes in and out, and to which nodes inside."""

    def __init__(self) -> None:
        self.inputs: list[dict[str, Any]] = []
        self.outputs: list[dict[str, Any]] = []
        self.links: list[list[Any]] = []

    def enter(self, name: str, kind: str, *targets: tuple[dict[str, Any], str], label: str | None = None) -> None:
        """Make an input that leads to inputs of inside nodes."""
        slot, ids = len(self.inputs), []
        for node, wanted in targets:
            link_id = 500 + len(self.links)
            place = [socket["name"] for socket in node["inputs"]].index(wanted)
            node["inputs"][place]["link"] = link_id
            self.links.append([link_id, -10, slot, node["id"], place, kind])
            ids.append(link_id)
        self.inputs.append({"id": name, "name": name, "type": kind, "linkIds": ids, "label": label})

    def leave(self, name: str, kind: str, node: dict[str, Any] | int, slot: int) -> None:
        """Make an output that an inside node, or an input (by the id -10), feeds."""
        link_id = 500 + len(self.links)
        origin = node if isinstance(node, int) else node["id"]
        self.links.append([link_id, origin, slot, -20, len(self.outputs), kind])
        self.outputs.append({"id": name, "name": name, "type": kind, "linkIds": [link_id]})


def _as_object(link: list[Any]) -> dict[str, Any]:
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    return dict(zip(keys, link, strict=True))


def text_to_image() -> tuple[Desk, dict[str, dict[str, Any]]]:
    """The usual workflow: model, two prompts, canvas, sampler, decoder, file."""
    desk = Desk()
    nodes = {
        "loader": desk.node("Loader", "a.safetensors"),
        "positive": desk.node("Encode", "a cat"),
        "negative": desk.node("Encode", "blurry"),
        "canvas": desk.node("Canvas", 640, 480, 1),
        "sampler": desk.node("Sampler", 7, "randomize", 12, 6.5, "heun", "simple", 0.9),
        "decode": desk.node("Decode"),
        "save": desk.node("Save", "cats"),
    }
    desk.link(nodes["loader"], 0, nodes["sampler"], "model")
    desk.link(nodes["loader"], 1, nodes["positive"], "clip")
    desk.link(nodes["loader"], 1, nodes["negative"], "clip")
    desk.link(nodes["loader"], 2, nodes["decode"], "vae")
    desk.link(nodes["positive"], 0, nodes["sampler"], "positive")
    desk.link(nodes["negative"], 0, nodes["sampler"], "negative")
    desk.link(nodes["canvas"], 0, nodes["sampler"], "latent_image")
    desk.link(nodes["sampler"], 0, nodes["decode"], "samples")
    desk.link(nodes["decode"], 0, nodes["save"], "images")
    return desk, nodes


def graph_of(content: Any) -> dict[str, Any]:
    return convert(content, OBJECT_INFO).graph


def inputs_of(desk: Desk, node: dict[str, Any]) -> dict[str, Any]:
    return graph_of(desk.saved())[str(node["id"])]["inputs"]


def shown(desk: Desk, origin: dict[str, Any], slot: int = 0) -> dict[str, Any]:
    """A node that saves what comes out of another one."""
    save = desk.node("Save", "x")
    desk.link(origin, slot, save, "images")
    return save


def content(steps: int = 1) -> dict[str, Any]:
    """The usual workflow with something that tells its states apart."""
    saved = text_to_image()[0].saved()
    saved["extra"] = {"steps": steps}
    return saved
