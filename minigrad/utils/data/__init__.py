"""Datasets, the orders in which they are visited, and the loader that makes batches of them."""

from minigrad.utils import missing
from minigrad.utils.data.dataloader import DataLoader, default_collate
from minigrad.utils.data.dataset import ConcatDataset, Dataset, TensorDataset
from minigrad.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
]

__getattr__ = missing.attribute_error(__name__)
