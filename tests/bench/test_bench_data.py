"""The data suite's declarations, and its polyglots read by other readers."""

import io
import zipfile

import pytest

pytest.importorskip("helix_multimodal", reason="polyglots are detected by it")

from helix_multimodal.detect import detect

from benchmarks.data import CASES, polyglots
from benchmarks.worker import resolve

MADE = list(polyglots.made())


def test_the_detection_figures_are_declared():
    targets = {c.name: c.target for c in CASES}
    assert targets["M1"] == 0.5 and targets["M1_solids"] == targets["M1_claims"] == 0
    assert (targets["M2_median"], targets["M2_p99"], targets["M2_rate"]) == (
        5,
        50,
        200_000,
    )
    assert targets["M2_libmagic"] == 100
    assert targets["M3_first"] == 0 and targets["M3_also"] == 5


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_every_factory_exists(case):
    assert callable(resolve(case.ours))
    assert case.reference is None or callable(resolve(case.reference))
    assert case.needs or not case.peer_name


def test_there_are_two_hundred_polyglots():
    assert len({p.data for p in MADE}) == len(MADE) >= 200
    assert len({p.first for p in MADE}) >= 15 and len({p.second for p in MADE}) >= 10


def test_their_archives_open():
    archives = [p for p in MADE if p.second in ("zip", "jar", "docx")]
    for p in archives:
        assert zipfile.ZipFile(io.BytesIO(p.data)).namelist(), p[1:]
    assert len(archives) == 4 * len(polyglots.HOSTS)


def test_both_formats_are_named():
    wrong = [p[1:] for p in MADE if detect(p.data).format != p.first]
    unnamed = [
        p[1:] for p in MADE if p.second not in {a.format for a in detect(p.data).also}
    ]
    assert wrong == []
    assert len(unnamed) <= 0.05 * len(MADE), unnamed


@pytest.mark.parametrize("name", polyglots.HOSTS)
def test_a_host_alone_is_no_polyglot(name):
    for n in (0, 64, 700):
        d = detect(polyglots.HOSTS[name](bytes(n)))
        assert d.format == name
        assert d.also == ()
