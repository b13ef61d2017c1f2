"""Text formats, on a window in front: patterns that take linear time.

Every rule takes a window of text in UTF-8 without its mark and leading white space, and
whether the file ends with the window.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..detection import GRAMMAR, TWO_FIELDS, Detection
from ._found import found

Hit = Detection | None

# ------------------------------------------------------------------------ <: XML and HTML
_PROLOGUE = re.compile(
    rb"(?:<\?[^>]{0,1000}>|<!--(?:(?!-->).){0,3000}?-->|<!(?i:doctype)\s[^>\[]{0,1000}"
    rb"(?:\[[^\]]{0,3000}\]\s*)?>|\s+)*",
    re.DOTALL,
)
_ROOT = re.compile(rb"<([A-Za-z_][\w.\-]*:)?([A-Za-z_][\w.\-]*)(?=[\s/>])")
_HTML_DOCTYPE = re.compile(rb"<!doctype\s+html", re.IGNORECASE)
_XML_ROOTS = {
    b"svg": "svg",
    b"html": "html",
    b"COLLADA": "dae",
    b"X3D": "x3d",
    b"VTKFile": "vtk-xml",
}
_HTML_TAGS = frozenset(
    b"html head body title meta script style link div table p h1 h2 h3 a br span img "
    b"form iframe center font ul ol pre b i".split()
)


def markup(window: bytes, whole: bool) -> Hit:
    """SVG, HTML, Collada, X3D, VTK; XML otherwise."""
    m = _PROLOGUE.match(window)
    prologue = m[0] if m else b""
    declared = prologue.startswith(b"<?xml")
    root = _ROOT.match(window, len(prologue))
    if _HTML_DOCTYPE.search(prologue):
        return found("html", "doctype html", 0, TWO_FIELDS)
    if root is None:
        cut = not whole and len(prologue) > len(window) // 2
        return found("xml", "XML declaration", 0, GRAMMAR) if declared or cut else None
    name = root[2]
    known = _XML_ROOTS.get(name)
    if known == "svg" and not (declared or b"svg" in window[:2048].lower()[4:]):
        known = None
    if known:
        return found(known, f"root element {known}", 0, GRAMMAR)
    if name.lower() in _HTML_TAGS and not declared and not root[1]:
        return found("html", "element of HTML", 0, GRAMMAR)
    if (
        declared
        or (prologue.strip() and b"<!" in prologue)
        or _closed(window, root, whole)
    ):
        return found("xml", "root element", 0, GRAMMAR)
    return None


def _closed(window: bytes, root: re.Match[bytes], whole: bool) -> bool:
    """Without a declaration: the root has an xmlns, or the file ends with its end."""
    tag = window[root.start() : window.find(b">", root.end()) + 1]
    if b"xmlns" in tag:
        return True
    name = root[0][1:]
    return whole and window.rstrip().endswith((b"</" + name + b">", b"/>"))


# ------------------------------------------------------------------------- { and [: JSON
_STRING = rb'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrtu]){0,4096}"'
_VALUE = (
    rb'(?:["\{\[]|-?(?:0|[1-9]\d{0,400})(?:\.\d+)?(?:[eE][+-]?\d+)?(?=[\s,\]\}]|$)'
    rb"|(?:true|false|null|NaN|-?Infinity)\b)"
)
_OBJECT = re.compile(rb"\{\s*(?:\}|" + _STRING + rb"\s*:\s*" + _VALUE + rb")")
_ARRAY = re.compile(rb"\[\s*(?:\]|" + _VALUE + rb")")
_ASSET = re.compile(rb'"asset"\s*:\s*\{[^{}]{0,600}"version"\s*:\s*"[12]\.\d"')


def json_like(window: bytes, whole: bool, end: bytes) -> Hit:
    """JSON by its first tokens and its last one; JSON lines; glTF; notebooks."""
    start = _OBJECT if window.startswith(b"{") else _ARRAY
    if not start.match(window):
        return None
    lines = window.split(b"\n", 2)
    first = lines[0].rstrip()
    if (
        len(lines) > 1
        and first.endswith((b"}", b"]"))
        and start.match(lines[1].lstrip())
        and first.count(first[:1]) == first.count(first[-1:])
    ):
        return found("jsonl", "a value on each line", 0, GRAMMAR)
    last = end.rstrip(b" \t\r\n")[-1:]
    if last != (b"}" if window.startswith(b"{") else b"]"):
        return None
    if window.startswith(b"{"):
        gltf = _ASSET.search(window) or _ASSET.search(end)
        if gltf and b'"geometricError"' not in window:  # that is a set of 3D tiles
            return found("gltf", "asset and its version", 0, GRAMMAR)
        if b'"cells"' in window and b'"cell_type"' in window:
            return found("ipynb", "cells of a notebook", 0, GRAMMAR)
    return found("json", "first and last token", 0, GRAMMAR)


# --------------------------------------------------------------------- points and meshes
_NUMBER = rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?i:nan|inf)"
_NUMBERS = re.compile(rb"(?:" + _NUMBER + rb")(?:[ \t]+(?:" + _NUMBER + rb"))*[ \t\r]*")
_NUMERIC = b"0123456789+-.eE \t\r\nnaifNAIF"
_PCD = re.compile(
    rb"(?:#[^\n]*\n)*VERSION [.0-9]+\s*\n(?:#[^\n]*\n)*FIELDS [^\n]+\n"
    rb"(?:(?!DATA)[^\n]*\n){0,12}DATA (ascii|binary_compressed|binary)"
)
_PCD_START = re.compile(rb"(?:#[^\n]*\n)*(?:VERSION [.0-9]+|FIELDS [^\n]+)\r?\n")


def pcd(window: bytes, whole: bool) -> Hit:
    """PCD: its header's keys."""
    m = _PCD.match(window)
    if m:
        return found("pcd", "VERSION, FIELDS, DATA", 0, TWO_FIELDS, m[1].decode())
    if window.startswith(b"# .PCD") or (
        _PCD_START.match(window) and b"\nPOINTS " in window
    ):
        data = re.search(rb"\nDATA (ascii|binary_compressed|binary)", window)
        variant = data[1].decode() if data else ""
        return found("pcd", "keys of PCD", 0, TWO_FIELDS, variant)
    return None


_OFF = re.compile(
    rb"(?:ST|C|N|4|n){0,4}OFF(?:[ \t]+BINARY)?[ \t]*\r?\n?(?:\s*#[^\n]*\n)*\s*"
    rb"(\d+)[ \t]+(\d+)([ \t]+\d+)?[ \t]*\r?(?:\n|$)"
)


def off(window: bytes, whole: bool) -> Hit:
    """OFF, COFF, NOFF...: the counts of vertices, faces and edges."""
    if _OFF.match(window):
        return found("off", "OFF and counts", 0, TWO_FIELDS)
    return None


_STL = re.compile(rb"solid(?:[ \t][^\n]{0,300})?\r?\n\s*(?:facet\s+normal\s|endsolid)")


def stl(window: bytes, whole: bool) -> Hit:
    """ASCII STL: solid, then a facet."""
    if _STL.match(window):
        return found("stl", "solid, facet normal", 0, TWO_FIELDS, "ascii")
    return None


_VERTEX = re.compile(rb"v(?:[ \t]+(?:" + _NUMBER + rb")){3,8}[ \t\r]*")
_FACE = re.compile(rb"[fl](?:[ \t]+-?\d+(?:/-?\d*){0,2})+[ \t\\\r]*")
_WORDS = re.compile(rb"^[ \t]*([^\s#]\S{0,12})", re.MULTILINE)
_STATEMENTS = frozenset(
    b"v vn vt vp f l p o g s mtllib usemtl usemap cstype deg surf parm curv curv2 trim "
    b"hole scrv sp end con bevel c_interp d_interp lod maplib call".split()
)


def obj(window: bytes, whole: bool) -> Hit:
    """Wavefront OBJ: vertices, and nothing but its statements."""
    if not whole:
        window = window[: window.rfind(b"\n") + 1]
    words = {x.partition(b" ")[0].rstrip() for x in window.split(b"\n")}
    words = {x for x in words if x and not x.startswith(b"#")}
    if not words <= _STATEMENTS:  # indented, or with tabs
        words = set(_WORDS.findall(window))
    if b"v" not in words or not words <= _STATEMENTS:
        return None
    rows = window.split(b"\n", 40)[:40]
    vertices = [x for x in rows if x.startswith((b"v ", b"v\t"))]
    faces = [x for x in rows if x.startswith((b"f ", b"l "))]
    fits = all(map(_VERTEX.fullmatch, vertices)) and all(map(_FACE.fullmatch, faces))
    if fits and (len(words) > 1 or len(vertices) > 2):
        return found("obj", "v and other statements", 0, GRAMMAR)
    return None


# ------------------------------------------------------------------- columns of numbers
def columns(window: bytes, whole: bool) -> Hit:
    """XYZ and PTS: as many numbers on each line; the first three have fractions."""
    whole, window = whole and len(window) <= 1024, window[:1024]
    lines = window.split(b"\n")
    if not whole:
        lines = lines[:-1]
    rows = [x for x in lines if x.strip() and not x.lstrip().startswith((b"#", b"//"))]
    count = rows[0].strip() if rows else b""
    stated = int(count) if count.isdigit() and len(count) < 12 else None
    body = rows[1:] if stated is not None else rows
    if len(body) < 2 or window.translate(None, _NUMERIC):
        return None
    if not all(_NUMBERS.fullmatch(x.strip()) for x in body[:16]):
        return None
    widths = {len(x.split()) for x in body}
    if len(widths) != 1:
        return None
    n = widths.pop()
    if stated is not None:
        fits = stated == len(body) if whole else stated >= len(body)
        return (
            found("pts", "a count, then points", 0, GRAMMAR)
            if fits and n in (3, 4, 6, 7)
            else None
        )
    cells = [cell for x in body[:16] for cell in x.split()[:3]]
    fractions = [c.partition(b".")[2] for c in cells]
    if n == 3:
        points = sum(map(bool, fractions)) * 3 >= 2 * len(cells)
    else:  # a table of measures has one digit behind the point
        points = all(fractions) and any(len(c) > 1 for c in fractions)
    if n in (3, 4, 6, 7, 8, 9, 10) and points:
        return found("xyz", f"{n} numbers on each line", 0, GRAMMAR)
    return None


_SHARE = re.compile(rb"(?:0?\.\d+|[01]|0\.\d*|1\.0*)(?:[eE]-\d+|[eE]\+00)?")


def palette(window: bytes, size: int) -> bool:
    """Three columns of shares, at most 256 rows: colours rather than points."""
    rows = window[:1024].split(b"\n")[:-1]
    cells = b" ".join(rows).split()
    few = size * len(rows) <= 257 * sum(map(len, rows)) + 257 * len(rows)
    return few and len(cells) == 3 * len(rows) and all(map(_SHARE.fullmatch, cells))


def delimited(window: bytes, whole: bool) -> Hit:
    """CSV and TSV: at least two rows with as many fields, more than one."""
    for mark, name in ((b",", "csv"), (b"\t", "tsv"), (b";", "csv"), (b"|", "csv")):
        first = window.find(b"\n")
        if mark not in window[: first if first >= 0 else None]:
            continue
        rows = _records(window, whole, mark)
        if len(rows) < 2 or rows[0] < 2 or len(set(rows)) != 1:
            continue
        few = len(rows) < 3 or rows[0] < 3
        if (few and _SENTENCE.search(window)) or _prose(window, sum(rows)):
            continue
        variant = {b";": "semicolon", b"|": "bar"}.get(mark, "")
        return found(name, "as many fields on each row", 0, GRAMMAR, variant)
    return None


def _records(window: bytes, whole: bool, mark: bytes) -> list[int]:
    """Fields of each record; a quoted field may hold marks and line ends."""
    if b'"' in window:
        parts = window.split(b'"')
        if len(parts) % 2 == 0 and whole:
            return []
        window = b"".join(parts[::2])
    lines = window.split(b"\n")
    if not whole:
        lines = lines[:-1]
    return [x.count(mark) + 1 for x in lines if x.strip() and not x.startswith(b"#")]


_SENTENCE = re.compile(
    rb"[,;|\t] [a-z]+ [a-z]+ [a-z]+|[({\[;]\s*\n|^\s+\S", re.MULTILINE
)


def _prose(window: bytes, fields: int) -> bool:
    """Several words to a field without quotes, or full stops of Chinese and Japanese."""
    words = window.count(b" ")
    return (words > 3 * fields and b'"' not in window) or b"\xe3\x80\x82" in window


# ------------------------------------------------------------------------------- others
_XBM = re.compile(
    rb"(?:/\*.{0,500}?\*/\s*)?#define[ \t]+\w*_?width[ \t]+\d+\s+"
    rb"#define[ \t]+\w*_?height[ \t]+\d+",
    re.DOTALL,
)


def xbm(window: bytes, whole: bool) -> Hit:
    """XBM: C defines of a width and a height, then bits."""
    if _XBM.match(window) and re.search(rb"_bits\s*\[\s*\]", window):
        return found("xbm", "width, height and bits", 0, GRAMMAR)
    return None


_PICKLE = re.compile(
    rb"(?:[(\]}][lptd]p?\d*\n|c[\w.]+\n\w+\n|\(dp\d+\n|\(lp\d+\n|\(i[\w.]+\n\w+\n)"
)


def pickle_text(window: bytes, whole: bool, end: bytes) -> Hit:
    """Protocol 0 of pickle: opcodes on lines, STOP at the end."""
    if (
        _PICKLE.match(window)
        and end.endswith(b".")
        and re.search(rb"\n[pgVSFIatsb]", window)
    ):
        return found("pickle", "opcodes and STOP", 0, GRAMMAR, "protocol 0")
    return None


_BY_FIRST: dict[int, tuple[Callable[[bytes, bool], Hit], ...]] = {
    ord("<"): (markup,),
    ord("#"): (pcd, xbm, obj, columns),
    ord("V"): (pcd,),
    ord("F"): (pcd,),
    ord("O"): (off,),
    ord("C"): (off,),
    ord("N"): (off,),
    ord("S"): (off,),
    ord("4"): (off, columns),
    ord("/"): (xbm, columns),
    ord("s"): (stl, obj),
    **{b: (obj,) for b in b"vgoum"},
    **{b: (columns,) for b in b"012356789+-."},
}


def read(window: bytes, whole: bool, end: bytes, size: int) -> Hit:
    """The format of a text.

    Parameters
    ----------
    window : bytes
        What stands in front, without white space before it.
    whole : bool
        The window is all there is.
    end : bytes
        The last bytes of the file.
    size : int
        Of the file.
    """
    if not window:
        return None
    first = window[0]
    if first in b"{[":
        hit = json_like(window, whole, end)
        if hit:
            return hit
    for rule in _BY_FIRST.get(first, ()):
        hit = rule(window, whole)
        if hit and not (hit.format == "xyz" and palette(window, size)):
            return hit
    hit = pickle_text(window, whole, end) if first in b"(c]}" else None
    return hit or delimited(window, whole)
