"""Kernels of the recurrent composites ``lstm`` and ``gru``, which layers declare."""

from __future__ import annotations

from typing import Any

import numpy as np

from helix_hal.cpu.specs import c, serves, single


@serves("lstm.fwd", single)
def _lstm_fwd(dev: Any, *inputs: Any, **attrs: Any) -> Any:
    return _lstm_run(inputs, True, attrs)


@serves("lstm", single)
def _lstm(dev: Any, *inputs: Any, **attrs: Any) -> Any:
    return _lstm_run(inputs, False, attrs)


def _lstm_run(inputs: Any, keep: bool, attrs: dict[str, Any]) -> Any:
    from helix_hal.cpu.kernels.lstm import LSTM
    from helix_hal.cpu.kernels.rnn_forward import forward_pass

    return forward_pass(LSTM, *map(c, inputs), keep=keep, **attrs)


@serves("lstm.bwd", single)
def _lstm_bwd(dev: Any, *flat: Any, **attrs: Any) -> Any:
    from helix_hal.cpu.kernels.lstm import LSTM
    from helix_hal.cpu.kernels.rnn_backward import backward_pass

    x, h0, c0, w_ih, w_hh, _, lengths, y, _, _, *rest = map(c, flat)
    return backward_pass(LSTM, x, h0, c0, w_ih, w_hh, lengths, y, *rest, **attrs)


# torch's rows of r, z, n for x; inside, n comes first
def _turned(w: Any) -> Any:
    size = len(w) // 3
    return np.concatenate([w[2 * size :], w[: 2 * size]])


def _returned(w: Any) -> Any:
    size = len(w) // 3
    return np.concatenate([w[size:], w[:size]])


@serves("gru.fwd", single)
def _gru_fwd(dev: Any, *inputs: Any, **attrs: Any) -> Any:
    return _gru_run(inputs, True, attrs)


@serves("gru", single)
def _gru(dev: Any, *inputs: Any, **attrs: Any) -> Any:
    return _gru_run(inputs, False, attrs)


def _gru_run(inputs: Any, keep: bool, attrs: dict[str, Any]) -> Any:
    from helix_hal.cpu.kernels.gru import GRU
    from helix_hal.cpu.kernels.rnn_forward import forward_pass

    x, h0, w_ih, *rest = map(c, inputs)
    return forward_pass(GRU, x, h0, None, _turned(w_ih), *rest, keep=keep, **attrs)


@serves("gru.bwd", single)
def _gru_bwd(dev: Any, *flat: Any, **attrs: Any) -> Any:
    from helix_hal.cpu.kernels.gru import GRU
    from helix_hal.cpu.kernels.rnn_backward import backward_pass

    x, h0, w_ih, w_hh, _, lengths, y, _, gates, dy, dhn = map(c, flat)
    dx, dh0, dw_ih, *rest = backward_pass(
        GRU, x, h0, None, _turned(w_ih), w_hh, lengths, y, gates, None, dy, dhn, None,
        **attrs,
    )  # fmt: skip
    return dx, dh0, _returned(dw_ih), *rest
