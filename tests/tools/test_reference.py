"""The API reference has every public name once, and refuses holes."""

from collections import Counter

import helix_core as hx
import pytest

from tools import reference


def test_every_public_name_of_core_stands_on_one_page():
    listed = Counter(n for page in reference.pages() for n in page.names)
    assert max(listed.values()) == 1
    for name in ("sin", "grad", "Module", "selective_scan", "float32", "optim.AdamW"):
        assert listed[f"helix_core.{name}"] == 1
    assert listed["helix_layers.MambaLM"] == listed["helix_hammer.Trainer"] == 1


def test_a_name_without_a_page_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setattr(reference, "CORE", reference.CORE[1:])
    with pytest.raises(reference.DocsError, match=r"Tensor \(of _tensor\)"):
        reference.pages()


def test_a_name_without_a_docstring_is_an_error_that_names_it(monkeypatch, tmp_path):
    def bare():
        pass

    monkeypatch.setattr(hx, "sin", bare)
    with pytest.raises(reference.DocsError, match=r"helix_core\.sin"):
        reference.write(tmp_path)


def test_pages_name_objects_that_exist(tmp_path):
    reference.write(tmp_path)
    text = (tmp_path / "core" / "gradients.rst").read_text()
    assert ".. autofunction:: helix_core.vjp" in text
    assert "core/gradients" in (tmp_path / "index.rst").read_text()


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("x : Tensor (*batch, n)", r"x : Tensor (\*batch, n)"),
        ("a * b and ``(*batch)``", "a * b and ``(*batch)``"),
        (">>> f(*xs)", ">>> f(*xs)"),
    ],
)
def test_an_axis_with_a_star_is_no_emphasis(line, want):
    assert reference.escape_stars(line) == want
