"""Whatever is done to a model's files ends in a picture or in one sentence; the long run is `record.py`."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parent))
from judge import Pack, judge  # noqa: E402
from mutations import SEED, any_mutation  # noqa: E402
from sound_folders import write_sound_folders  # noqa: E402

EXAMPLES, LONG_RUN = 40, 2000

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, pipes and alarms are those of POSIX systems")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write_sound_folders(tmp_path_factory.mktemp("faults") / "sound")


def _try_mutations(sound: Path, examples: int) -> None:
    pack = Pack(Path(__file__).resolve().parents[2])

    @seed(SEED)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(any_mutation())
    def each(mutation) -> None:
        scratch = Path(tempfile.mkdtemp(dir=sound.parent))
        try:
            assert judge(pack, sound, mutation.to_dict(), scratch) == {}
        finally:
            shutil.rmtree(scratch)

    each()


def test_mutated_files(sound):
    _try_mutations(sound, EXAMPLES)


@pytest.mark.long
@pytest.mark.skipif(not os.environ.get("LADR_LONG"), reason="takes half an hour; set LADR_LONG=1")
def test_many_mutated_files(sound):
    _try_mutations(sound, LONG_RUN)
