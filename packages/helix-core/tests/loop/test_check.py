"""Malformed programs are refused, with what is wrong; and bounds are proved."""

from dataclasses import replace

import loop_programs as programs
import pytest
from helix_core.loop import Builder, LoopError, Value, check, check_bounds


def _broken(change):
    return change(programs.softmax())


def _value(p, name, **changes):
    i = next(i for i, v in enumerate(p.values) if v.op == name)
    values = list(p.values)
    values[i] = replace(values[i], **changes)
    return replace(p, values=tuple(values))


BROKEN = {
    "unknown op 'sinh'": lambda p: _value(p, "exp", op="sinh"),
    "exp expected one dtype": lambda p: _value(p, "exp", dtype="float64"),
    "sub expected 2 operands": lambda p: _value(p, "sub", args=(0,)),
    "sub expected one dtype": lambda p: _value(p, "sub", args=(0, 1)),
    "not visible there": lambda p: replace(p, stages=p.stages[::-1]),
    "an identifier as name": lambda p: replace(p, name="soft max"),
    "identifiers, each once": lambda p: replace(p, sizes=("rows", "rows", "n")),
    "a size as extent": lambda p: replace(p, grid=("columns",)),
    "a parallel axis": lambda p: replace(p, grid=()),
    "a serial axis under": lambda p: replace(p, serial=None),
    "blocks of at least one": lambda p: replace(p, block=0),
    "groups of 1 to 1024": lambda p: replace(p, group=0),
    "unknown argument 'z'": lambda p: _value(p, "load", attr="z"),
    "store expected an index": lambda p: _value(p, "store", attr=("x", "set")),
    "mode in, out or inout": lambda p: replace(
        p, args=(p.args[0], replace(p.args[1], mode="new"))
    ),
    "a stage of map, reduce, scan": lambda p: replace(
        p, stages=(replace(p.stages[0], kind="fold"), *p.stages[1:])
    ),
    "expected a value for each state": lambda p: replace(
        p, stages=(replace(p.stages[0], updates=()), *p.stages[1:])
    ),
}


@pytest.mark.parametrize("message", BROKEN)
def test_what_is_wrong_is_said(message):
    with pytest.raises(LoopError, match=message):
        check(_broken(BROKEN[message]))


@pytest.mark.parametrize(
    "make", [programs.softmax, programs.argmax, programs.recurrence, programs.blocked]
)
def test_programs_print_and_have_a_digest(make):
    assert make() == make()
    assert make().digest == make().digest
    assert make().name in str(make())
    assert len(make().digest) == 64


def test_a_step_outside_of_a_stage_is_refused():
    p = programs.padded()
    with pytest.raises(LoopError, match="at the steps of a stage only"):
        check(
            replace(
                p, values=(*p.values, Value("step", "index")), epilogue=(len(p.values),)
            )
        )


def test_scratch_is_written_before_it_is_read():
    b = Builder("early")
    n = b.size("n")
    y = b.output("y", "float32")
    b.axis(n)
    b.serial(n, block=2)
    kept = b.scratch("kept", "float32")
    with b.map() as m:
        y[m.step] = b.get(kept)
    with pytest.raises(LoopError, match="before an earlier stage wrote it"):
        b.build()


def test_operands_of_two_dtypes_are_refused_at_once():
    b = Builder("mixed")
    x, k = b.input("x", "float32"), b.input("k", "int32")
    with pytest.raises(LoopError, match="operands of one dtype"):
        x[0] + k[0]


# ---------------------------------------------------------------------------- bounds
SOFTMAX = {"rows": 3, "n": 5}


def test_indices_that_fit_are_proved():
    check_bounds(programs.softmax(), SOFTMAX, {"x": (0, 15), "y": (0, 15)})
    check_bounds(
        programs.padded(), {"n": 4, "m": 9, "by": 3}, {"x": (0, 4), "y": (0, 9)}
    )
    sizes = {"rows": 6, "n": 7, "parts": 2, "outer": 2}
    check_bounds(
        programs.blocked(), sizes, {"x": (0, 84), "y": (0, 84), "part": (0, 56)}
    )


def test_an_index_too_far_names_the_argument():
    with pytest.raises(LoopError, match=r"indices of x from 0 to 13; .* 0 to 14"):
        check_bounds(programs.softmax(), SOFTMAX, {"x": (0, 14), "y": (0, 15)})


def test_what_a_gate_does_not_guard_is_found():
    with pytest.raises(LoopError, match="indices of x"):
        check_bounds(
            programs.padded(), {"n": 5, "m": 9, "by": 3}, {"x": (0, 4), "y": (0, 9)}
        )


def test_a_gathered_index_must_be_clamped():
    def gather(clamped):
        b = Builder("gather")
        n, m = b.size("n"), b.size("m")
        x, k = b.input("x", "float32"), b.input("k", "int32")
        y = b.output("y", "float32")
        i = b.axis(m)
        at = k[i].cast("index")
        y[i] = x[at.clamp(0, n - 1) if clamped else at]
        return b.build()

    room = {"x": (0, 4), "k": (0, 6), "y": (0, 6)}
    check_bounds(gather(True), {"n": 4, "m": 6}, room)
    with pytest.raises(LoopError, match="indices of x"):
        check_bounds(gather(False), {"n": 4, "m": 6}, room)


def test_an_empty_grid_reaches_nothing():
    check_bounds(programs.softmax(), {"rows": 0, "n": 5}, {"x": (0, 0), "y": (0, 0)})
    check_bounds(programs.softmax(), {"rows": 3, "n": 0}, {"x": (0, 0), "y": (0, 0)})
