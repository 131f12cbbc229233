"""Runs an API-format prompt on a server and tells what a user would have seen."""

from __future__ import annotations

import json
import struct
import time
import urllib.parse
import uuid
from dataclasses import dataclass, field
from typing import Any

from .launch import Server
from .websocket import WebSocket


@dataclass
class Run:
    """What one prompt did."""

    status: str = "timeout"  # success, error, interrupted, invalid
    error: str = ""  # the message of an exception, or the words of a refused prompt
    error_node: str = ""  # class of the node that raised
    error_type: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)  # node id -> what it showed
    executed: list[str] = field(default_factory=list)
    progress: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    previews: dict[str, list[bytes]] = field(default_factory=dict)
    starts: dict[str, Any] = field(default_factory=dict)  # node id -> what a sampler says before its first evaluation

    def text(self, node: str) -> str:
        """The text a node showed."""
        return self.outputs[node]["text"][0]

    def result(self, node: str) -> Any:
        """What a sampler shows of its run."""
        return json.loads(self.outputs[node]["ladr_result"][0])

    def json(self, node: str) -> Any:
        """The same, read as JSON."""
        return json.loads(self.text(node))


def run(
    server: Server,
    prompt: dict[str, Any],
    *,
    timeout: float = 120.0,
    interrupt_at: int | None = None,
    metadata: dict[str, Any] | None = None,
    preview_method: str | None = None,
) -> Run:
    """Queue a prompt and follow it to its end.

    interrupt_at: stop when a node's progress has reached this value; metadata: what the page adds for pictures;
    preview_method: what is chosen in the page's settings.
    """
    where, client = urllib.parse.urlsplit(server.url), uuid.uuid4().hex
    socket = WebSocket(where.hostname, where.port, f"/ws?clientId={client}")
    socket.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
    result = Run()
    try:
        code, body = server.post("/prompt", _body(prompt, client, metadata, preview_method))
        answer = json.loads(body)
        if code != 200 or answer.get("node_errors"):
            result.status, result.error = "invalid", json.dumps(answer)
            return result
        _follow(server, socket, answer["prompt_id"], result, timeout, interrupt_at)
    finally:
        socket.close()
    for node, shown in _history(server, answer["prompt_id"]).items():
        result.outputs.setdefault(node, shown)
    return result


def _body(
    prompt: dict[str, Any], client: str, metadata: dict[str, Any] | None, preview_method: str | None
) -> dict[str, Any]:
    extra = {"extra_pnginfo": metadata, "preview_method": preview_method}
    given = {name: value for name, value in extra.items() if value is not None}
    return {"prompt": prompt, "client_id": client, **({"extra_data": given} if given else {})}


def free(server: Server) -> None:
    """Press ComfyUI's buttons that unload models and empty the caches, and wait until the server has done so."""
    server.post("/free", {"unload_models": True, "free_memory": True})
    # It does so between two prompts, so after this one at the latest.
    run(server, {"alive": {"class_type": "LADRProbe_ShowAlive", "inputs": {}}})


def _follow(
    server: Server, socket: WebSocket, prompt_id: str, result: Run, timeout: float, interrupt_at: int | None
) -> None:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        message = socket.receive(1.0)
        if isinstance(message, bytes):
            _take_binary(message, result)
        elif message is not None:
            event = json.loads(message)
            kind, data = event["type"], event.get("data") or {}
            if kind == "ladr_start":
                result.starts[data["node"]] = data
            if data.get("prompt_id") not in (None, prompt_id):
                continue
            if kind == "progress":
                result.progress.setdefault(data["node"], []).append((data["value"], data["max"]))
                if interrupt_at is not None and data["value"] >= interrupt_at:
                    interrupt_at = None  # once; newer cores leave values out where they follow each other fast
                    server.post("/interrupt", {"prompt_id": prompt_id})
            elif kind == "executing" and data.get("node"):
                result.executed.append(data["node"])
            elif kind == "executed":
                result.outputs[data["node"]] = data["output"]
            elif kind == "execution_error":
                result.error, result.error_node = data["exception_message"].strip(), data["node_type"]
                result.error_type = data["exception_type"]
                result.status = "error"
                return
            elif kind in ("execution_success", "execution_interrupted"):
                result.status = kind.removeprefix("execution_")
                return


def _take_binary(message: bytes, result: Run) -> None:
    kind, size = struct.unpack(">II", message[:8])
    if kind == 4:  # preview with metadata
        node = json.loads(message[8 : 8 + size])["node_id"]
        result.previews.setdefault(node, []).append(message[8 + size :])


def _history(server: Server, prompt_id: str) -> dict[str, Any]:
    for _ in range(50):  # the entry is written a moment after the last message
        entry = server.get(f"/history/{prompt_id}").get(prompt_id)
        if entry:
            return entry.get("outputs") or {}
        time.sleep(0.05)
    return {}
