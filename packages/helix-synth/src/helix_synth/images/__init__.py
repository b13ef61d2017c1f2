"""Images: shapes, glyphs, scenes of many objects."""

from .glyphs import Glyphs as Glyphs
from .scenes import Scenes as Scenes
from .shapes import Shapes as Shapes
