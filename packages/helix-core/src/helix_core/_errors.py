"""Exception classes. Messages: ``[op] expected ...; got ... Hint: ...``."""

from __future__ import annotations


class HelixError(Exception):
    """Base of every error that this project raises on purpose."""


class ShapeError(HelixError, ValueError):
    """Shapes, axes or sizes do not fit."""


class DTypeError(HelixError, TypeError):
    """A dtype is not accepted here, or two do not combine."""


class DeviceError(HelixError, RuntimeError):
    """Devices are mixed, missing, or out of memory."""


class OutOfMemory(DeviceError, MemoryError):
    """A device has no room for a buffer; what is there stays usable."""


class CompileError(DeviceError):
    """A device's compiler refused a kernel: the message has its source and log."""


class UnsupportedOp(HelixError, NotImplementedError):
    """A backend has no lowering, and the op no decomposition, for this input."""


class TraceError(HelixError, TypeError):
    """A traced tensor was asked for its value, or left its trace."""


class GradError(HelixError, RuntimeError):
    """The tape cannot be walked: freed, not a scalar, nothing differentiable."""


class LinAlgError(HelixError, ValueError):
    """A matrix is singular, not positive definite, or not finite, or does not converge."""
