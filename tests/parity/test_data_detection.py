"""Detection beside libmagic and Pillow, and on public files if they were fetched."""

import io

import pytest
from helix_multimodal.detect import detect

from benchmarks.data import detection, polyglots
from tools import media_manifest as manifest


@pytest.fixture(scope="module")
def public():
    try:
        return detection.files()
    except manifest.Absent as e:
        pytest.skip(f"public media files: {e}")


def test_held_out_files(public):
    held_out = [(e, data) for e, data in public if e.held_out]
    wrong = [e.path for e, data in held_out if detect(data).format not in e.labels]
    assert len(held_out) >= 1000
    assert len(wrong) <= 0.005 * len(held_out), wrong


def test_every_cloud_and_mesh(public):
    solids = [(e, data) for e, data in public if detection._SOLIDS & set(e.labels)]
    assert len(solids) >= 100
    assert [e.path for e, d in solids if detect(d).format not in e.labels] == []


def test_more_is_right_than_libmagic_says(public):
    magic = pytest.importorskip("magic", reason="libmagic")
    ask = magic.Magic(mime=True)
    ours = theirs = 0
    for e, data in public[::4]:
        ours += detect(data).format in e.labels
        said = manifest.TYPES.get(ask.from_buffer(data), ())
        theirs += bool(set(said) & set(e.labels))
    assert ours >= theirs


def test_texts_and_programs_are_no_media(public):
    given = list(detection.others())
    claims = [n for n, data in given if detect(data).modality in detection._MEDIA]
    assert len(given) >= 5000
    assert claims == []


@pytest.mark.parametrize("name", ["png", "gif", "bmp", "tiff", "ico"])
@pytest.mark.parametrize("gap", [0, 100, 700])
def test_pillow_reads_the_hosts_of_polyglots(name, gap):
    image = pytest.importorskip("PIL.Image", reason="Pillow")
    data = polyglots.HOSTS[name](bytes(gap))
    with image.open(io.BytesIO(data)) as im:
        im.load()
        assert im.format == name.upper() and im.size == (1, 1)


def test_libmagic_names_the_hosts_of_polyglots():
    magic = pytest.importorskip("magic", reason="libmagic")
    ask = magic.Magic(mime=True)
    wrong = []
    for name, host in polyglots.HOSTS.items():
        said = ask.from_buffer(host(bytes(64)))
        if name not in manifest.TYPES.get(said, ()):
            wrong.append((name, said))
    # it has no media type for point clouds
    assert [name for name, _ in wrong] == ["las"], wrong
