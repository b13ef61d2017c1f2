"""Synthetic data: S1 families, S2 verifiers, S3 bits, S4 speed, S5 statistics.

S6 usefulness, S7 duplicates and S8 memory are read from the last ``nox -s full``.
"""

from __future__ import annotations

from ..case import Case

_HERE = "benchmarks.data"


def _none(name: str, variant: str, factory: str, unit: str, target: float = 0) -> Case:
    """Something that is counted, and of which there should be none."""
    return Case(
        name=f"synth_{name}",
        variants=(variant,),
        ours=f"{_HERE}.{factory}",
        target=target,
        aim=0,
        metric="wrong",
        unit=unit,
        scale=1.0,
        minutes=1.0,
    )


def _rate(name: str, variant: str, target: float, aim: float, unit: str) -> Case:
    return Case(
        name=f"synth_S4_{name}",
        variants=(variant,),
        ours=f"{_HERE}.synth_speed:rate",
        target=target,
        aim=aim,
        metric="throughput",
        unit=unit,
        scale=1.0,
        better="higher",
    )


def _beside_networkx(model: str) -> Case:
    return Case(
        name=f"synth_S4_{model}",
        variants=(model,),
        ours=f"{_HERE}.synth_speed:graphs",
        reference=f"{_HERE}.synth_speed:graphs_by_networkx",
        peer_name="networkx",
        needs=("networkx",),
        target=10,
        aim=30,
        unit="ms a graph of 1000 nodes",
    )


_QUALITY, _STATISTICS = "synth_quality", "synth_statistics"
CASES = (
    _none("S1_families", "nine families", f"{_QUALITY}:families", "too small"),
    _none("S1_shared", "code of verifiers", f"{_QUALITY}:shared_code", "imports"),
    _none("S2_missed", "faults", f"{_QUALITY}:missed_faults", "%", 1),
    _none("S2_rejected", "sound samples", f"{_QUALITY}:false_rejects", "%", 0.01),
    _none("S2_severity", "1 - Spearman", f"{_QUALITY}:disorder", "", 0.05),
    _none("S3_shards", "shards", f"{_QUALITY}:differing", "generators"),
    _none("S3_indices", "indices", f"{_QUALITY}:differing", "samples"),
    _none("S3_kill", "kill", f"{_QUALITY}:differing", "files"),
    _rate("mqar", "mqar, 512 tokens", 20_000, 60_000, "sequences/s"),
    _rate("shapes", "shapes, 64 x 64", 10_000, 40_000, "images/s"),
    _rate("scenes", "scenes, 256 x 256, with masks", 800, 1600, "images/s"),
    _rate("kernel_synth", "kernel_synth, 1024 steps", 1000, 2000, "series/s"),
    _rate("audio", "notes, 1 s at 16 kHz", 1500, 6000, "clips/s"),
    _rate("points", "solids, 2048 points", 8000, 12_000, "clouds/s"),
    *map(_beside_networkx, ("erdos_renyi", "block_model", "barabasi_albert")),
    Case(
        name="synth_S4_kernel_synth_published",
        variants=("1024 steps",),
        ours=f"{_HERE}.synth_speed:kernel_synth",
        reference=f"{_HERE}.synth_speed:kernel_synth_published",
        peer_name="scikit-learn",
        needs=("scikit-learn",),
        target=100,
        aim=300,
        unit="ms a series",
        minutes=1.0,
    ),
    Case(
        name="synth_S4_tar",
        variants=("scenes, 256 x 256",),
        ours=f"{_HERE}.synth_speed:tar",
        reference=f"{_HERE}.synth_speed:raw",
        peer_name="plain writes",
        needs=("numpy",),
        target=0.8,
        aim=1.0,
        metric="throughput",
        unit="MB/s",
        scale=1e-6,
        better="higher",
    ),
    *(
        _none(f"S5_{name}", variant, f"{_STATISTICS}:failing", "tests")
        for name, variant in (
            ("distributions", "distributions"),
            ("graphs", "graphs"),
            ("theory", "theory"),
            ("covariances", "covariances"),
        )
    ),
    *(
        _none(name, piece, f"synth_recorded:{factory}", unit, target)
        for name, piece, factory, unit, target in (
            ("S6_digits", "digits", "recorded", "% misread", 15),
            ("S6_recall", "attention and convolution", "behind", "100 - points", 50),
            ("S7_repeated", "repeated", "recorded", "of a million", 0),
            ("S7_missed", "planted", "recorded", "% of planted pairs", 5),
            ("S7_wrong", "unplanted", "recorded", "% of found pairs", 1),
            ("S7_minhash", "datasketch", "recorded", "RMS difference", 128**-0.5),
            ("S8_memory", "memory", "recorded", "% growth", 5),
        )
    ),
)
