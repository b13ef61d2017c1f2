"""Recurrent layers: LSTM and GRU over whole sequences, and step by step."""

from ._cells import GRUCell as GRUCell
from ._cells import LSTMCell as LSTMCell
from ._gru import GRU as GRU
from ._gru import GRUState as GRUState
from ._lstm import LSTM as LSTM
from ._lstm import LSTMState as LSTMState
from ._mixers import GRUBlock as GRUBlock
from ._mixers import GRUMixer as GRUMixer
from ._mixers import LSTMBlock as LSTMBlock
from ._mixers import LSTMMixer as LSTMMixer
