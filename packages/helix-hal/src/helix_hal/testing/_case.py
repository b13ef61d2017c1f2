"""Cases: methods of a ``Section``, repeated over rows of plain names."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from ._target import Target

F = TypeVar("F", bound=Callable[..., None])
PROFILES = ("ci", "full")


class Declined(unittest.SkipTest):
    """The device lacks a capability that the case is about; ``str`` names it.

    pytest shows it as a skip.
    """


@dataclass(frozen=True, slots=True)
class Case:
    """One check of a section.

    Attributes
    ----------
    section : type of Section
    method : str
    row : tuple
        Arguments of the method: short names and numbers, which are the label.
    full : bool
        Only in the profile "full".
    """

    section: type[Section]
    method: str
    row: tuple[Any, ...] = ()
    full: bool = False

    @property
    def label(self) -> str:
        return "-".join(map(str, self.row))

    @property
    def id(self) -> str:
        """``"arithmetic.unary[exp-float32]"``: what ``-k`` and xfails files name."""
        tail = f"[{self.label}]" if self.row else ""
        return f"{self.section.title()}.{self.method}{tail}"

    def run(self, target: Target) -> None:
        """Raises what is wrong; ``Declined`` where the device cannot be asked."""
        section = self.section()
        section.target = target
        getattr(section, self.method)(*self.row)


def case(method: F) -> F:
    """A method that is one case."""
    return each([()])(method)


def each(
    rows: Iterable[Any] | Callable[[], Iterable[Any]], full: bool = False
) -> Callable[[F], F]:
    """A method that is one case per row.

    Parameters
    ----------
    rows : iterable, or callable that gives one
        A row is a tuple of arguments, or one argument.
    full : bool
        Only in the profile "full".
    """

    def mark(method: F) -> F:
        method._rows = rows, full  # type: ignore[attr-defined]
        return method

    return mark


class Section:
    """A family of cases. Subclass one with ``device`` to run it in pytest.

    Attributes
    ----------
    device : str
        The device under test, in a subclass for pytest.
    profile : str
        ``"ci"`` or ``"full"``.
    xfails : str or None
        The path of an xfails file.
    target : Target
        The device, its capabilities, and how results are compared.
    """

    device: ClassVar[str] = ""
    profile: ClassVar[str] = "ci"
    xfails: ClassVar[str | None] = None
    target: Target

    @classmethod
    def title(cls) -> str:
        """The name in ids: that of the section that declared the cases."""
        for base in cls.__mro__:
            if base.__module__.startswith(f"{__package__}.sections."):
                return base.__name__.lower()
        return cls.__name__.lower()

    @classmethod
    def cases(cls, profile: str = "ci") -> Iterator[Case]:
        """All cases, in the order of declaration."""
        if profile not in PROFILES:
            raise ValueError(
                f"[testing] expected a profile of {', '.join(PROFILES)}; "
                f"got {profile!r}"
            )
        for name, (rows, full) in _declared(cls).items():
            if full and profile != "full":
                continue
            for row in rows() if callable(rows) else rows:
                row = row if isinstance(row, tuple) else (row,)
                yield Case(cls, name, row, full)

    def __init_subclass__(cls, **kw: Any) -> None:
        super().__init_subclass__(**kw)
        if cls.device:  # a class for pytest: one test per case
            for c in cls.cases(cls.profile):
                tail = f"[{c.label}]" if c.row else ""
                setattr(cls, f"test_{c.method}{tail}", _pytest_method(c))


def _declared(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            rows = getattr(value, "_rows", None)
            if rows is not None:
                found[name] = rows
    return found


def _pytest_method(c: Case) -> Callable[[Any], None]:
    def test(self: Any) -> None:
        from ._runner import outcome
        from ._target import target_for
        from ._xfails import read

        cls = type(self)
        known = {} if cls.xfails is None else read(cls.xfails)
        done = outcome(c, target_for(cls.device), known)
        if done.status == "skipped":
            raise Declined(done.reason)
        if done.status == "xfailed":
            raise unittest.SkipTest(f"expected to fail: {done.reason}")
        if done.bad:
            raise AssertionError(f"{c.id}: {done.reason}") from done.error

    return test
