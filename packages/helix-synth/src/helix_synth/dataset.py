"""Data sets in a folder: written shard by shard, verified, resumable.

``manifest.json`` says what the samples are before the first is made. A shard is written
beside and renamed; then its leaf digests (``digests/``), which say that it is done. After
a kill the same call goes on with the shards that are not. The Merkle root is over all
samples in order, so it does not depend on the number of shards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from helix_core import files, platform, plugins

from . import registry
from ._block import Sample
from ._digest import SIZE, MerkleTree, sample_digest, split
from ._version import __version__
from .errors import ManifestError, SynthError, VerificationError
from .generator import Generator, shard_range
from .registry import Verifier
from .sinks import Sink

FORMAT = 1
MANIFEST = "manifest.json"
Progress = Callable[[int], None]  # samples that were made since the last call


@dataclass(frozen=True, slots=True)
class _Job:
    generator: Generator
    verifier: Verifier
    sink: Sink
    folder: Path
    start: int
    first: int
    last: int
    shard: int
    of: int


def _digests(folder: Path, shard: int) -> Path:
    return folder / "digests" / f"{shard:05d}.blake2b"


def _write_shard(job: _Job, progress: Progress = lambda n: None) -> int:
    """Make, verify and write one shard; returns how many samples."""
    g = job.generator
    path = job.folder / job.sink.path(job.shard, job.of)
    path.parent.mkdir(parents=True, exist_ok=True)
    leaves = []
    try:
        with (
            platform.atomic_path(path) as temporary,
            job.sink.open(temporary) as writer,
        ):
            for i in range(job.first, job.last, g.chunk):
                block = g.block(job.start + i, min(g.chunk, job.last - i))
                for index, sample in zip(
                    block.indices.tolist(), block.samples(), strict=True
                ):
                    registry.reject(g, index, job.verifier(g.spec, sample))
                    leaves.append(sample_digest(sample))
                writer.write(block)
                progress(block.rows)
        files.write_bytes(_digests(job.folder, job.shard), b"".join(leaves))
    except OSError as e:
        raise SynthError(
            f"[synth] expected to write {str(path)!r}; got: {e}. "
            "Hint: free the disk or choose another folder; the same call resumes"
        ) from e
    return len(leaves)


def _done(job: _Job) -> bool:
    path = job.folder / job.sink.path(job.shard, job.of)
    digests = _digests(job.folder, job.shard)
    return (
        path.is_file()
        and digests.is_file()
        and digests.stat().st_size == SIZE * (job.last - job.first)
    )


def _plan(g: Generator, n: int, start: int, shards: int, sink: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "generator": g.name,
        "version": g.version,
        "modality": g.modality,
        "spec": {k: list(v) if isinstance(v, tuple) else v for k, v in g.spec.items()},
        "seed": g.seed,
        "start": start,
        "n": n,
        "sink": sink,
        "shard_count": shards,
    }


def write(
    generator: Generator,
    n: int,
    out: str | Path,
    *,
    shards: int = 1,
    sink: str = "webdataset",
    start: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a data set, or go on with one that was interrupted.

    Parameters
    ----------
    generator : Generator
    n, start : int
        Samples ``start`` to ``start + n``.
    out : path
        A new or empty folder, or one where the same call was interrupted.
    shards : int
        How many files.
    sink : str
        "webdataset", "npz", "parquet", "arrow", "huggingface" or a plugin's.
    workers : int
        How many processes make shards at the same time.
    progress : callable, optional
        Is told how many samples were made since it was told last.

    Returns
    -------
    dict
        The manifest: what the samples are, each shard's file, range and Merkle root, and
        the root of all.

    Raises
    ------
    VerificationError
        If a sample is not what its spec promises; its shard is not written.
    ManifestError
        If the folder holds something else.
    MissingExtra
        If the sink needs a library that is not there.
    """
    folder = Path(out)
    if shards < 1 or n < 0 or workers < 1:
        raise SynthError(
            f"[synth] expected n >= 0, shards >= 1 and workers >= 1; got n={n}, "
            f"shards={shards}, workers={workers}. Hint: -n 1000 --shards 1"
        )
    to: Sink = plugins.load("sinks", sink)()
    check = registry.verifier(generator.name)
    plan = _plan(generator, n, start, shards, sink)
    try:
        (folder / "digests").mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise SynthError(
            f"[synth] expected a folder that can be written to; got {str(folder)!r}: "
            f"{e}. Hint: --out FOLDER"
        ) from e
    with platform.process_lock(folder / "digests" / "lock"):
        _claim(folder, plan)
        platform.remove_leftovers(folder)
        platform.remove_leftovers(folder / "digests")
        jobs = [
            _Job(
                generator,
                check,
                to,
                folder,
                start,
                *shard_range(n, k, shards),
                k,
                shards,
            )
            for k in range(shards)
        ]
        tell = progress or (lambda made: None)
        left = []
        for job in jobs:
            if _done(job):
                tell(job.last - job.first)
            else:
                left.append(job)
        _run(left, workers, tell)
        manifest = _finished(plan, jobs)
        to.describe(folder, manifest)
        files.write_json(folder / MANIFEST, manifest)
    return manifest


def _claim(folder: Path, plan: dict[str, Any]) -> None:
    """Write the plan, or see that it is the one that is there."""
    path = folder / MANIFEST
    if path.is_file():
        found = read_manifest(folder)
        other = [k for k, v in plan.items() if found.get(k) != v]
        if other:
            what = other[0]
            raise ManifestError(
                f"[synth] expected {str(folder)!r} to hold this data set; got one whose "
                f"{what} is {found.get(what)!r}, not {plan[what]!r}. Hint: another --out"
            )
        return
    # a plan whose writer was killed before its rename is no stranger's
    ours = f".{MANIFEST}."
    strange = [
        p.name
        for p in folder.iterdir()
        if p.name != "digests" and not p.name.startswith(ours)
    ]
    if strange:
        raise ManifestError(
            f"[synth] expected {str(folder)!r} to be empty; got {strange[0]!r} in it. "
            "Hint: another --out"
        )
    files.write_json(path, plan)


def _run(jobs: list[_Job], workers: int, tell: Progress) -> None:
    if workers == 1 or len(jobs) <= 1:
        for job in jobs:
            _write_shard(job, tell)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        waiting = {pool.submit(_write_shard, job) for job in jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    tell(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _finished(plan: dict[str, Any], jobs: list[_Job]) -> dict[str, Any]:
    whole, rows = MerkleTree(), []
    for job in jobs:
        tree = MerkleTree()
        for leaf in split(_digests(job.folder, job.shard).read_bytes()):
            tree.add(leaf)
            whole.add(leaf)
        rows.append(
            {
                "file": job.sink.path(job.shard, job.of),
                "first": job.start + job.first,
                "n": job.last - job.first,
                "root": tree.root(),
            }
        )
    return {**plan, "helix_synth": __version__, "shards": rows, "root": whole.root()}


def read_manifest(where: str | Path) -> dict[str, Any]:
    """The manifest of a folder, or of its own path.

    Raises
    ------
    ManifestError
        If it is missing, damaged or of another format.
    """
    path = Path(where)
    path = path / MANIFEST if path.is_dir() else path
    try:
        found = files.read_json(path)
    except (files.FileError, OSError) as e:
        raise ManifestError(
            f"[synth] expected a manifest in {str(path)!r}; got: {e}. "
            "Hint: the folder that helix synth NAME --out wrote"
        ) from e
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ManifestError(
            f"[synth] expected {str(path)!r} to be a manifest of format {FORMAT}; got "
            "another. Hint: write the data set again with this version"
        )
    return found


def made_by(manifest: dict[str, Any]) -> Generator:
    """The generator of a manifest.

    Raises
    ------
    ManifestError
        If it has another version here, which would give other bits.
    """
    g = registry.generator(
        manifest["generator"], seed=manifest["seed"], **manifest["spec"]
    )
    if g.version != manifest["version"]:
        raise ManifestError(
            f"[synth] expected {g.name} version {manifest['version']}; got "
            f"{g.version}. Hint: install helix-synth {manifest.get('helix_synth', '')}"
        )
    return g


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with one sample of a data set."""

    index: int
    problem: str


def read(where: str | Path) -> Iterator[tuple[int, Sample]]:
    """Index and sample, in order, from the files of a finished data set."""
    manifest = _complete(where)
    folder = Path(where) if Path(where).is_dir() else Path(where).parent
    sink: Sink = plugins.load("sinks", manifest["sink"])()
    for shard in manifest["shards"]:
        count = 0
        for sample in sink.read(folder / shard["file"]):
            yield shard["first"] + count, sample
            count += 1
        if count != shard["n"]:
            raise ManifestError(
                f"[synth] expected {shard['n']} samples in {shard['file']}; got {count}. "
                "Hint: remove it and its digests, and run the same command again"
            )


def _complete(where: str | Path) -> dict[str, Any]:
    manifest = read_manifest(where)
    if "root" not in manifest:
        raise ManifestError(
            f"[synth] expected a finished data set in {str(where)!r}; got one that was "
            "interrupted. Hint: run the same helix synth command again"
        )
    return manifest


def verify(where: str | Path, progress: Progress | None = None) -> list[Found]:
    """Read a data set back: digests, Merkle root, and every sample by its verifier."""
    manifest = _complete(where)
    g, found = made_by(manifest), []
    check = registry.verifier(g.name)
    folder = Path(where) if Path(where).is_dir() else Path(where).parent
    tree = MerkleTree()
    leaves: list[bytes] = []
    for k in range(manifest["shard_count"]):
        leaves += split(_digests(folder, k).read_bytes())
    for position, (index, sample) in enumerate(read(where)):
        digest = sample_digest(sample)
        tree.add(digest)
        if position >= len(leaves) or digest != leaves[position]:
            found.append(Found(index, "its bytes are not those that were written"))
        found += [Found(index, text) for text in check(g.spec, sample)]
        if progress:
            progress(1)
    if tree.root() != manifest["root"]:
        found.append(Found(-1, f"the Merkle root is {tree.root()}"))
    return found


def replay(where: str | Path, index: int) -> Sample:
    """Make one sample of a data set again, and compare it with its digest.

    Raises
    ------
    VerificationError
        If the bits differ from those that were written.
    """
    manifest = _complete(where)
    g = made_by(manifest)
    folder = Path(where) if Path(where).is_dir() else Path(where).parent
    at = index - manifest["start"]
    if not 0 <= at < manifest["n"]:
        raise SynthError(
            f"[replay] expected a sample in [{manifest['start']}, "
            f"{manifest['start'] + manifest['n']}); got {index}. Hint: --sample"
        )
    sample = g.sample(index)
    for k, shard in enumerate(manifest["shards"]):
        offset = index - shard["first"]
        if 0 <= offset < shard["n"]:
            data = _digests(folder, k).read_bytes()
            if data[offset * SIZE : (offset + 1) * SIZE] != sample_digest(sample):
                raise VerificationError(
                    f"[replay] expected sample {index} of {g!r} to have the bits that "
                    "were written; got others. Hint: the float steps of another "
                    "processor, or damaged digests: helix synth verify",
                    g.name,
                    index,
                )
    return sample
