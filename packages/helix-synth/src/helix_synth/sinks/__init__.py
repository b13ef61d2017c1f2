"""Where samples go: tar, npz, Parquet, Arrow, a Hugging Face folder."""

from ._base import ShardWriter as ShardWriter
from ._base import Sink as Sink
from .arrow import Arrow as Arrow
from .arrow import HuggingFace as HuggingFace
from .arrow import Parquet as Parquet
from .npz import Npz as Npz
from .webdataset import WebDataset as WebDataset
