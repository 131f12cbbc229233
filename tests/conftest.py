"""Shared by all tests: one thread, so that tests neither fight for cores nor round differently."""

import torch

torch.set_num_threads(1)
