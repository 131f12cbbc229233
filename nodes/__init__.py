"""The nodes of this pack, in menu order."""

from .baseline_sampler import BaselineSampler
from .edit_task import EditTask
from .empty_token_grid import EmptyTokenGrid
from .ladr_sampler import LADRSampler
from .load_dllm import LoadDLLM

NODES = [LoadDLLM, EmptyTokenGrid, LADRSampler, BaselineSampler, EditTask]
