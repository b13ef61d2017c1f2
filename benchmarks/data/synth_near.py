"""S7: duplicates, exact, near and planted; and MinHash beside datasketch's."""

from __future__ import annotations

from functools import cache

import numpy as np

_LENGTH, _DOCUMENTS, _PLANTED = 512, 4000, 1000
_IMAGES = 500


def repeated(n: int = 1_000_000) -> float:
    """How many of n samples have the bits of an earlier one."""
    from helix_synth import dedup, registry

    g = registry.generator("mqar", seed=3, length=64, pairs=8)
    g.chunk = 4096  # type: ignore[misc]
    return float(dedup.repeated(g.stream(n), n))


@cache
def _planted_texts() -> tuple[int, int, int]:
    """Pairs planted, found, and found that were not planted: token sequences."""
    from helix_synth import dedup, registry

    rng = np.random.default_rng(8)
    g = registry.generator("mqar", seed=5, length=_LENGTH)
    texts = [s["inputs"] for s in g.stream(_DOCUMENTS)]
    for i in range(_PLANTED):
        again = texts[i].copy()
        # each changed token touches five shingles: at most 50 of 508, a share of 0.82
        at = rng.choice(_LENGTH, rng.integers(1, 11), replace=False)
        again[at] = rng.integers(8192, size=len(at))
        texts.append(again)
    pairs = dedup.near_sets([dedup.shingles(t) for t in texts], 0.8)
    return _counted(pairs, _PLANTED, _DOCUMENTS)


@cache
def _planted_images() -> tuple[int, int, int]:
    """The same of images: noise, brightness, a shift of a pixel, a smaller copy."""
    from helix_synth import dedup, registry

    rng = np.random.default_rng(9)
    g = registry.generator("scenes", seed=6, side=128, least=4)
    images = [s["image"] for s in g.stream(_IMAGES)]

    def changed(i: int) -> np.ndarray:
        image = images[i].astype(np.float64)
        if i % 4 == 0:
            image = image + rng.normal(0, 4, image.shape)
        elif i % 4 == 1:
            image = image * rng.uniform(0.9, 1.1)
        elif i % 4 == 2:
            image = np.roll(image, 1, i // 4 % 2)
        else:
            image = image.reshape(64, 2, 64, 2, 3).mean((1, 3))
        return np.clip(np.rint(image), 0, 255).astype(np.uint8)

    n = _IMAGES // 2
    again = [changed(i) for i in range(n)]
    hashes = [dedup.perceptual_hash(x) for x in images + again]
    return _counted(dedup.near_hashes(hashes, 4), n, _IMAGES)


def _counted(pairs: np.ndarray, planted: int, others: int) -> tuple[int, int, int]:
    true = {(i, others + i) for i in range(planted)}
    found = {(int(i), int(j)) for i, j in pairs}
    return planted, len(found & true), len(found - true)


def missed() -> float:
    """Percent of planted pairs that were not found: the worse of texts and images."""
    return max(
        100 * (1 - found / planted)
        for planted, found, _ in (_planted_texts(), _planted_images())
    )


def wrong() -> float:
    """Percent of pairs found that were not planted: the worse of texts and images."""
    return max(
        100 * false / max(1, found + false)
        for _, found, false in (_planted_texts(), _planted_images())
    )


def beside_datasketch(pairs: int = 10_000) -> float:
    """Root mean square of the differences of two estimates: ours and datasketch's."""
    from datasketch import MinHash
    from helix_synth import dedup

    rng = np.random.default_rng(7)
    differences = []
    for _ in range(pairs):
        share, n = rng.random(), int(rng.integers(20, 200))
        common = rng.integers(2**62, size=int(n * share), dtype=np.uint64)
        own = rng.integers(2**62, size=(2, n - len(common)), dtype=np.uint64)
        sets = [np.unique(np.concatenate([common, x])) for x in own]
        x, y = dedup.minhash(sets)
        a, b = (MinHash(num_perm=128, seed=1) for _ in range(2))
        for peer, found in zip((a, b), sets, strict=True):
            peer.update_batch([word.tobytes() for word in found])
        differences.append(float((x == y).mean()) - a.jaccard(b))
    return float(np.sqrt(np.mean(np.square(differences))))
