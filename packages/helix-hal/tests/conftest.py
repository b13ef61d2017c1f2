"""Puts this folder on the path: `render_programs` serves several folders."""
