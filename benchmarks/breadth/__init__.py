"""The figures of matrix products, mixed precision, and the layers everyone needs."""

from __future__ import annotations

from ..case import Case

_HERE = "benchmarks.breadth"
_MIB = 1 / 2**20
_BF16 = 2e-2  # of the largest reference value


def _pair(module: str, ours: str = "ours", peer: str = "peer") -> dict[str, str]:
    return {
        "ours": f"{_HERE}.{module}:{ours}",
        "reference": f"{_HERE}.{module}:{peer}",
    }


_SHAPES = ("2048x384x1536", "768x768x768", "1536x1536x1536")
_GPT = "6 layers, d=384, 6 heads, 8 x 256 bytes"
_MAMBA = "4 layers, d=256, 4 x 512 bytes"
_HYENA = ("d=256, L=8192, batch 1, float32", "d=256, L=65536, batch 1, float32")

CASES = (
    Case(
        name="matmul_bf16",
        variants=tuple(f"{s} {t}" for s in _SHAPES for t in ("NN", "NT", "TN")),
        **_pair("matmul", "bfloat16", "bfloat16_peer"),
        peer_name="torch bfloat16",
        needs=("torch",),
        target=0.75,
        aim=1.0,
        tolerance=_BF16,
    ),
    Case(
        name="matmul_epilogue",
        variants=("2048x384x1536 linear + bias + GELU, float32",),
        **_pair("matmul", "epilogue", "epilogue_peer"),
        peer_name="torch",
        needs=("torch",),
        target=1.1,
        aim=1.4,
    ),
    Case(
        name="gpt_train",
        variants=(f"{_GPT}, float32",),
        **_pair("gpt"),
        peer_name="torch eager",
        needs=("torch",),
        target=1.05,
        aim=1.4,
        minutes=1,
    ),
    Case(
        name="gpt_train_bf16",
        variants=(f"{_GPT}, bfloat16",),
        **_pair("gpt", "ours_bf16", "peer_autocast"),
        peer_name="torch autocast",
        needs=("torch",),
        target=0.9,
        aim=1.3,
        tolerance=_BF16,
        minutes=1,
    ),
    Case(
        name="mamba_train_bf16",
        variants=(f"{_MAMBA}, beside float32", f"{_MAMBA}, beside autocast"),
        **_pair("mamba"),
        peer_name="mambapy",
        needs=("torch", "mambapy"),
        target=12,
        aim=18,
        tolerance=_BF16,
        minutes=2.5,
    ),
    Case(
        name="attention",
        variants=("(1,2048,8,64) causal float32", "(4,512,8,64) causal float32"),
        **_pair("attention"),
        peer_name="torch SDPA",
        needs=("torch",),
        target=0.8,
        aim=1.2,
    ),
    Case(
        name="hyena",
        variants=_HYENA,
        **_pair("hyena"),
        peer_name="torch.fft",
        needs=("torch",),
        target=2,
        aim=4,
        minutes=1.5,
    ),
    Case(
        name="hyena_memory",
        variants=_HYENA,
        **_pair("hyena"),
        peer_name="torch.fft",
        needs=("torch",),
        target=4,
        aim=10,
        kind="memory",
        metric="peak_memory",
        unit="MiB",
        scale=_MIB,
        minutes=3,
    ),
    Case(
        name="s4d",
        variants=("d=256, L=16384, 64 states, float32",),
        **_pair("s4d"),
        peer_name="torch",
        needs=("torch",),
        target=2,
        aim=4,
        minutes=2,
    ),
    Case(
        name="lstm_train",
        variants=("128 hidden, length 128, batch 32, float32",),
        **_pair("lstm"),
        peer_name="torch",
        needs=("torch",),
        target=1.0,
        aim=2.0,
    ),
    Case(
        name="resnet_train",
        variants=("ResNet-18, 32 x 3 x 64 x 64, float32",),
        **_pair("resnet"),
        peer_name="torch eager",
        needs=("torch",),
        target=0.4,
        aim=0.8,
        tolerance=1e-2,  # see resnet.py
        minutes=1,
    ),
)
