"""The benchmark on a local Ray cluster of two workers, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from lab.fake_model import KnowingModel

from ladr_core.errors import InputError
from ladr_core.lab.evaluation.configurations import configuration_grid
from ladr_core.lab.evaluation.prompts import evaluation_prompts
from ladr_core.lab.evaluation.ray_pool import RayPool
from ladr_core.lab.evaluation.record import RecordFile
from ladr_core.lab.evaluation.runner import run_benchmark

ray = pytest.importorskip("ray", reason="the package ray (extra lab) is not installed")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cluster(monkeypatch):
    from ray.cluster_utils import Cluster

    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else nothing moves while other programs are at work
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield started.address
    ray.shutdown()
    started.shutdown()


def test_a_killed_worker_loses_nothing_and_draws_nothing_twice(cluster, tmp_path):
    prompts = evaluation_prompts("tuning", 2)
    model, configurations = KnowingModel(prompts), configuration_grid(["baseline", "factor"], [6], {})
    here = RecordFile(tmp_path / "here.jsonl", "m")
    run_benchmark(model, prompts, configurations, 2, here, batch=4)

    path = tmp_path / "there.jsonl"
    first = RecordFile(path, "m")
    first.add([record for record in here.records.values() if record.prompt == prompts[0].number])  # of a stopped run
    lines: list[str] = []
    with RayPool(model, cluster) as pool:

        def watch(line: str) -> None:
            lines.append(line)
            if len(lines) == 2:
                os.kill(pool.processes[0], signal.SIGKILL)

        run_benchmark(model, prompts, configurations, 2, RecordFile(path, "m"), batch=4, progress=watch,
                      draw_all=pool.draw)  # fmt: skip
        assert pool.devices == 2
        assert pool.lost == 1

    there = RecordFile(path, "m").records
    written = Counter(line.split('"seconds"')[0] for line in path.read_text().splitlines()[1:])
    assert set(written.values()) == {1} and len(written) == len(prompts) * 2 * len(configurations)
    assert there.keys() == here.records.keys()
    for key, record in here.records.items():
        assert (record.tokens, record.passed, record.nfe) == (there[key].tokens, there[key].passed, there[key].nfe)
    assert len(lines) == 12  # 22 pictures of each configuration, four in a chunk


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="the address of a running cluster"):
        RayPool(KnowingModel(evaluation_prompts("tuning", 1)), "nowhere at all")
