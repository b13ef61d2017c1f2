"""What can go wrong with data: a closed set, whatever a library below raised."""

from __future__ import annotations

from helix_core import HelixError


class DataError(HelixError, ValueError):
    """Base of the closed set. Nothing else leaves a processor for what bytes hold.

    Attributes
    ----------
    kind : str
        A word for machines: the class, in lower case with underscores.
    """

    kind = "data_error"


class Unreadable(DataError):
    """A path or stream cannot be read: missing, a folder, a device, no permission."""

    kind = "unreadable"


class UnknownFormat(DataError):
    """Nothing recognises the bytes."""

    kind = "unknown_format"


class UnsupportedFormat(DataError):
    """The format is known, and refused or not decoded here: the message says why."""

    kind = "unsupported_format"


class MissingExtra(UnsupportedFormat):
    """The format needs a library that is not installed.

    Attributes
    ----------
    extra : str
        What brings it: ``pip install 'helix-multimodal[extra]'``.
    """

    kind = "missing_extra"

    def __init__(self, message: str, extra: str = "") -> None:
        super().__init__(message)
        self.extra = extra

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.extra)


class LimitExceeded(DataError):
    """The sample would be larger, longer or deeper than a limit.

    Attributes
    ----------
    limit : str
        The field of :class:`Limits` that it broke.
    """

    kind = "limit_exceeded"

    def __init__(self, message: str, limit: str = "") -> None:
        super().__init__(message)
        self.limit = limit

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.limit)


class Corrupt(DataError):
    """The bytes are not what their format says: truncated, forged or damaged."""

    kind = "corrupt"


class Timeout(DataError):
    """Decoding took longer than its limit, and was stopped."""

    kind = "timeout"


class WorkerDied(DataError):
    """The process that decoded ended: a crash in a library, or no memory."""

    kind = "worker_died"


class PluginFailed(DataError):
    """A detector, decoder or tensorizer of another package raised or hung."""

    kind = "plugin_failed"
