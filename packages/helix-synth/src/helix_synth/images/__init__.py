"""Images: shapes, glyphs, scenes of many objects."""

from .shapes import Shapes as Shapes
