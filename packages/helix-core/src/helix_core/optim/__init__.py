"""Optimizers: a pure pair ``init`` and ``update``, and a thin ``step`` around them."""

from ._adam import Adam as Adam
from ._adam import AdamW as AdamW
from ._base import Optimizer as Optimizer
from ._base import OptimizerError as OptimizerError
from ._clip import clip_grad_norm as clip_grad_norm
from ._clip import clip_grad_value as clip_grad_value
from ._ema import ema_update as ema_update
from ._groups import Group as Group
from ._groups import groups as groups
from ._rmsprop import RMSprop as RMSprop
from ._rule import update_rule as update_rule
from ._sgd import SGD as SGD
