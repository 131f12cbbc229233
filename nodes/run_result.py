"""What a run did, for the sampler node and the metadata of saved pictures; web/run_result.js draws it on the node."""

from __future__ import annotations

import json
from typing import Any

from server import PromptServer

from ..ladr_core.report import SamplingReport
from ..ladr_core.sampling import RunStart

START, RESULT = "ladr_start", "ladr_result"  # names that web/run_result.js and readers of pictures know


def announce_start(node_id: Any, start: RunStart) -> None:
    """Tell the page that queued the run what is known before the first evaluation."""
    server = PromptServer.instance
    if server.client_id is not None:
        data = {"node": str(node_id), "most_nfe": start.most_nfe, "notices": list(start.notices)}
        server.send_sync(START, data, server.client_id)


def shown_result(report: SamplingReport) -> dict[str, list[str]]:
    """The result as a node's ui output; as text, because ComfyUI counts objects there as pictures of the job."""
    return {RESULT: [json.dumps(report.summary(), allow_nan=False)]}


def keep_result(extra_pnginfo: Any, node_id: Any, report: SamplingReport) -> None:
    """Put the result into the metadata that ComfyUI writes into the pictures of this run.

    Once beside the workflow, for programs, and once in it, so that the node shows it when the picture is opened.
    """
    if not isinstance(extra_pnginfo, dict):
        return  # a prompt sent without metadata, or --disable-metadata's own way of saying so
    extra_pnginfo.setdefault(RESULT, {})[str(node_id)] = report.summary()
    workflow = extra_pnginfo.get("workflow")
    if isinstance(workflow, dict) and isinstance(workflow.setdefault("extra", {}), dict):
        workflow["extra"].setdefault(RESULT, {})[str(node_id)] = report.summary()
