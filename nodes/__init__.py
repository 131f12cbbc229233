"""The nodes of this pack, in menu order."""

from .baseline_sampler import BaselineSampler
from .compare import CompareRuns
from .decode_map import DecodeMap
from .edit_task import EditTask
from .empty_token_grid import EmptyTokenGrid
from .film import FilmOfRun
from .ladr_sampler import LADRSampler
from .load_dllm import LoadDLLM
from .sweep import Sweep
from .sweep_sheet import SweepSheet

NODES = [
    LoadDLLM,
    EmptyTokenGrid,
    LADRSampler,
    BaselineSampler,
    EditTask,
    DecodeMap,
    FilmOfRun,
    CompareRuns,
    Sweep,
    SweepSheet,
]
