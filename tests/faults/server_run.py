"""Two hundred prompts in a row in a real ComfyUI server, and a kill in the middle: docs/results/faults.json.

COMFYUI_PATH=... python tests/faults/server_run.py [--prompts 200]     (see tests/comfyui/launch.py for the variables)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from comfyui.client import free, run  # noqa: E402
from comfyui.conftest import Graph, graph  # noqa: E402
from comfyui.large_models import LUMINA, MMADA, edit_graph, large_graph, tokens, without_picture  # noqa: E402
from comfyui.launch import Server  # noqa: E402
from comfyui.tiny_model import write_tiny  # noqa: E402
from tiny_checkpoints import write_lumina, write_magvit, write_mmada  # noqa: E402

from ladr_core.command_line.machine import describe_machine  # noqa: E402

MIB = 2**20


def prompts(number: int) -> tuple[Graph, bool]:
    """The prompt of a number, and whether it must fail: four models' graphs in turn, with mistakes between them."""
    kind = number % 10
    if kind == 3:
        return without_picture(large_graph("ladr", LUMINA)).set("sampler", seed=number), False
    if kind == 5:
        return without_picture(large_graph("ladr", LUMINA)).set("load", dtype="float8_e4m3fn"), False
    if kind == 7:
        return edit_graph().set("sampler", seed=number), False
    if kind == 8:
        return without_picture(large_graph("ladr", MMADA)).set("sampler", seed=number, steps=1), False
    if kind == 9:
        return graph("ladr").set("load", checkpoint="cut.safetensors"), True
    batch = graph("ladr").set("grid", batch_size=1 + number % 4)
    return batch.set("sampler", seed=number, steps=4).set("positive", text=f"a red circle {number}"), False


def state_of(process: int) -> dict[str, int]:
    """Memory in MiB, threads and open files of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    fields = {key: value for key, _, value in (line.partition(":") for line in lines)}
    files = len(list(Path(f"/proc/{process}/fd").iterdir()))
    resident, private = (int(fields[key].split()[0]) // 1024 for key in ("VmRSS", "RssAnon"))
    return {"resident_mib": resident, "private_mib": private, "threads": int(fields["Threads"]), "open_files": files}


def many_prompts(server: Server, count: int) -> dict[str, Any]:
    """Run them and write down the state of the server now and then; each first prompt is drawn again at the end."""
    assert server.process is not None
    first = tokens(run(server, graph("ladr")))
    wrong, states = 0, {}
    for number in range(1, count + 1):
        prompt, must_fail = prompts(number)
        wrong += (run(server, prompt).status != "success") != must_fail
        if number % (count // 10) == 0:
            free(server)
            time.sleep(1)
            states[str(number)] = state_of(server.process.pid)
            print(number, states[str(number)], flush=True)
    again = tokens(run(server, graph("ladr").set("grid", batch_size=1)))
    found = {"prompts": count, "unexpected_outcomes": wrong, "same_tokens_at_the_end": again == first}
    return {**found, "after_prompts": states}


def killed_in_the_middle(base: Path) -> dict[str, Any]:
    """Kill the server while it draws, start it again: the same tokens as ever, and nothing left behind."""
    server = Server(base).start()
    prompt = without_picture(large_graph("ladr", LUMINA)).set("sampler", steps=400, rescue=False)
    short = without_picture(large_graph("ladr", LUMINA))
    expected = tokens(run(server, short))
    process = server.process
    assert process is not None

    def kill() -> None:
        time.sleep(2)
        process.send_signal(signal.SIGKILL)

    threading.Thread(target=kill).start()
    with contextlib.suppress(OSError, ValueError):
        run(server, prompt, timeout=30)
    process.wait()
    server.process = None
    before = sorted(path.name for path in (base / "models").rglob("*"))
    again = Server(base).start()
    try:
        same = tokens(run(again, short)) == expected
    finally:
        again.stop()
    left = sorted(path.name for path in (base / "models").rglob("*")) != before
    return {"same_tokens_after_restart": same, "files_left_in_models": left}


def listing_seconds(server: Server, files: int = 100_000) -> dict[str, Any]:
    """Seconds of the loader's list with so many files in models/checkpoints, first and again."""
    folder = server.base / "models" / "checkpoints" / "many"
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"{number}.txt").touch()
    time.sleep(3)  # until the folder's time stamp is settled
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        server.get("/object_info/LADR_LoadDLLM")
        seconds.append(round(time.perf_counter() - started, 3))
    return {"files": files, "first_seconds": seconds[0], "again_seconds": min(seconds[1:])}


def main() -> None:
    """Run, and write into the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "faults.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        models = base / "models" / "dllm"
        write_tiny(models / "tiny.safetensors")
        write_tiny(models / "cut.safetensors", broken="cut")
        write_lumina(models / LUMINA)
        write_mmada(models / MMADA)
        write_magvit(models / "magvitv2")
        server = Server(base).start()
        try:
            version = server.get("/system_stats")["system"]["comfyui_version"]
            found = {"machine": describe_machine(), "many_prompts": many_prompts(server, args.prompts)}
            found["listing"] = listing_seconds(server)
        finally:
            server.stop()
        found["killed_in_the_middle"] = killed_in_the_middle(base)
    record = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    record.setdefault("server", {})[version] = found
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
