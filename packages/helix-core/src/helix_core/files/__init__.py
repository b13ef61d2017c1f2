"""Files that matter: written whole or not at all, hashed, and read with limits."""

from ._checkpoint import Checkpoint as Checkpoint
from ._checkpoint import CheckpointStore as CheckpointStore
from ._json import FileError as FileError
from ._json import append_jsonl as append_jsonl
from ._json import read_json as read_json
from ._json import read_jsonl as read_jsonl
from ._json import truncate_jsonl as truncate_jsonl
from ._json import write_bytes as write_bytes
from ._json import write_json as write_json
from ._json import write_text as write_text
from ._manifest import CheckpointError as CheckpointError
from ._tensors import load_tensors as load_tensors
from ._tensors import read_metadata as read_metadata
from ._tensors import save_tensors as save_tensors
