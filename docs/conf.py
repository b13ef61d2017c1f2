"""The documentation: pages in Markdown, some executed, and the API from docstrings."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import reference  # noqa: E402

reference.write()

project = "HelixML"
author = "The HelixML authors"
copyright = author
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
]
exclude_patterns = ["_build", "README.md"]
default_role = "py:obj"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = "HelixML"
html_theme_options = {
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
}
html_show_sourcelink = False


def escape_stars(app, what, name, obj, options, lines):
    """Runs before numpydoc, on the docstring as it is written."""
    lines[:] = [reference.escape_stars(line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", escape_stars, priority=1)
