"""Verifiers of sequence tasks: the answers, worked out again by reading the tokens."""

from __future__ import annotations

import math

import numpy as np

from ._checks import Problems, Sample, Spec

_NONE = -100


def _tokens(
    spec: Spec, sample: Sample, length: int, top: int, *more: str
) -> tuple[Problems, list[int], list[int]]:
    p = Problems()
    good = p.names(sample, "inputs", "targets", *more)
    good &= p.array(sample, "inputs", "int32", (length,), 0, top)
    good &= p.array(sample, "targets", "int32", (length,))
    if not good:
        return p, [], []
    return p, sample["inputs"].tolist(), sample["targets"].tolist()


def _same(p: Problems, targets: list[int], want: list[int]) -> list[str]:
    for t, (got, right) in enumerate(zip(targets, want, strict=True)):
        if got != right:
            p.append(f"targets[{t}]: expected {right}; got {got}")
            break
    return p


def mqar(spec: Spec, sample: Sample) -> list[str]:
    length, k, half = spec["length"], spec["pairs"], spec["vocab"] // 2
    p, x, y = _tokens(spec, sample, length, spec["vocab"] - 1)
    if not x:
        return p
    memory: dict[int, int] = {}
    for t in range(0, 2 * k, 2):
        p.unless(1 <= x[t] < half, f"inputs[{t}]: {x[t]} is not a key")
        p.unless(x[t + 1] >= half, f"inputs[{t + 1}]: {x[t + 1]} is not a value")
        p.unless(x[t] not in memory, f"inputs[{t}]: key {x[t]} comes twice")
        memory[x[t]] = x[t + 1]
    asked: set[int] = set()
    noisy = spec["random_non_queries"]
    want = [_NONE] * length
    for t in range(2 * k, length):
        if x[t] in memory:
            if x[t] in asked:
                p.append(f"inputs[{t}]: key {x[t]} is asked for twice")
            asked.add(x[t])
            want[t] = memory[x[t]]
        elif x[t] < half if noisy else x[t] != 0:
            p.append(f"inputs[{t}]: {x[t]} is neither a query nor what lies between")
    p.unless(len(asked) == k, f"expected {k} queries; got {len(asked)}")
    return _same(p, y, want)


def associative_recall(spec: Spec, sample: Sample) -> list[str]:
    k, keys = spec["pairs"], spec["keys"]
    p, x, y = _tokens(spec, sample, 2 * k + 1, keys + spec["values"] - 1)
    if not x:
        return p
    for t, token in enumerate(x):
        p.unless(
            (token < keys) == (t % 2 == 0), f"inputs[{t}]: {token} is out of place"
        )
    memory = dict(zip(x[0:-1:2], x[1::2], strict=True))
    if p.unless(x[-1] in memory, f"query {x[-1]} is no key of the sequence"):
        _same(p, y, [_NONE] * (2 * k) + [memory[x[-1]]])
    return p


def induction(spec: Spec, sample: Sample) -> list[str]:
    n, marker = spec["length"], spec["vocab"]
    p, x, y = _tokens(spec, sample, n, marker)
    if not x:
        return p
    at = [t for t, token in enumerate(x) if token == marker]
    if p.unless(
        len(at) == 2 and at[1] == n - 1 and at[0] < n - 2, f"markers at {at[:5]}"
    ):
        _same(p, y, [_NONE] * (n - 1) + [x[at[0] + 1]])
    return p


def needle(spec: Spec, sample: Sample) -> list[str]:
    n, v, d = spec["length"], spec["vocab"], spec["digits"]
    p, x, y = _tokens(spec, sample, n, v + 11, "position")
    if not x:
        return p
    here = [t for t, token in enumerate(x) if token == v]
    asked = [t for t, token in enumerate(x) if token == v + 1]
    if not p.unless(
        len(here) == 1 and asked == [n - d - 1], "needle or question missing"
    ):
        return p
    p.unless(sample["position"] == here[0], f"position: the needle is at {here[0]}")
    number = x[here[0] + 1 : here[0] + 1 + d]
    p.unless(here[0] + d < n - d - 1, "the needle lies over the question")
    p.unless(min(number) > v + 1, "the needle is not made of digits")
    p.unless(x[n - d :] == number, "the answer in the inputs is not the needle")
    others = sum(token > v + 1 for token in x)
    p.unless(others == 2 * d, "digits outside of the needle")
    return _same(p, y, [_NONE] * (n - d - 1) + number + [_NONE])


def n_back(spec: Spec, sample: Sample) -> list[str]:
    n, b = spec["length"], spec["back"]
    p, x, y = _tokens(spec, sample, n, spec["vocab"] - 1)
    if not x:
        return p
    want = [int(x[t] == x[t - b]) if t >= b else _NONE for t in range(n)]
    return _same(p, y, want)


def _echo(spec: Spec, sample: Sample, how: str) -> list[str]:
    k, v = spec["items"], spec["vocab"]
    p, x, y = _tokens(spec, sample, 2 * k, v + 1)
    if not x:
        return p
    p.unless(max(x[:k]) < v, "a separator or blank among the tokens")
    p.unless(
        x[k:] == [v] + [v + 1] * (k - 1), "no separator and blanks after the tokens"
    )
    said = x[:k]
    if how == "reverse":
        said = said[::-1]
    elif how == "sorting":
        counts = [0] * (v + 2)
        for token in said:
            counts[token] += 1
        said = [token for token, c in enumerate(counts) for _ in range(c)]
    return _same(p, y, [_NONE] * k + said)


def copy(spec: Spec, sample: Sample) -> list[str]:
    return _echo(spec, sample, "copy")


def reverse(spec: Spec, sample: Sample) -> list[str]:
    return _echo(spec, sample, "reverse")


def sorting(spec: Spec, sample: Sample) -> list[str]:
    return _echo(spec, sample, "sorting")


def selective_copy(spec: Spec, sample: Sample) -> list[str]:
    n, k, v = spec["length"], spec["items"], spec["vocab"]
    p, x, y = _tokens(spec, sample, n + k, v + 1)
    if not x:
        return p
    kept = [token for token in x[:n] if token != v]
    p.unless(len(kept) == k and max(kept, default=0) < v, f"expected {k} tokens")
    p.unless(x[n:] == [v + 1] + [v] * (k - 1), "no separator and blanks at the end")
    return _same(p, y, [_NONE] * n + kept) if len(kept) == k else p


def parity(spec: Spec, sample: Sample) -> list[str]:
    p, x, y = _tokens(spec, sample, spec["length"], 1)
    want, bit = [], 0
    for token in x:
        bit ^= token
        want.append(bit)
    return _same(p, y, want)


def modular_addition(spec: Spec, sample: Sample) -> list[str]:
    m = spec["modulus"]
    p, x, y = _tokens(spec, sample, spec["length"], m - 1)
    want, total = [], 0
    for token in x:
        total += token
        if total >= m:
            total -= m
        want.append(total)
    return _same(p, y, want)


def _unrank(rank: int, things: int) -> list[int]:
    """The permutation of this lexicographic rank, by factorial digits."""
    left, out = list(range(things)), []
    for k in range(things - 1, -1, -1):
        digit, rank = divmod(rank, math.factorial(k))
        out.append(left.pop(digit))
    return out


def state_tracking(spec: Spec, sample: Sample) -> list[str]:
    k = spec["things"]
    p, x, y = _tokens(spec, sample, spec["length"], math.factorial(k) - 1)
    if not x:
        return p
    p.unless(max(y) < math.factorial(k) and min(y) >= 0, "targets: no permutation")
    if p:
        return p
    state = list(range(k))
    for t, (token, target) in enumerate(zip(x, y, strict=True)):
        step = _unrank(token, k)
        state = [step[s] for s in state]
        if state != _unrank(target, k):
            p.append(f"targets[{t}]: not the product so far")
            break
    return p


def dyck(spec: Spec, sample: Sample) -> list[str]:
    k = spec["kinds"]
    p, x, y = _tokens(spec, sample, spec["length"], 2 * k - 1)
    want, stack = [], []
    for t, token in enumerate(x):
        if token < k:
            stack.append(token)
        elif not stack or stack.pop() != token - k:
            p.append(f"inputs[{t}]: bracket {token} closes nothing that is open")
            return p
        want.append(k + stack[-1] if stack else 2 * k)
    p.unless(not stack, f"{len(stack)} brackets stay open")
    return _same(p, y, want)


def majority(spec: Spec, sample: Sample) -> list[str]:
    p, x, y = _tokens(spec, sample, spec["length"], spec["vocab"] - 1)
    want, counts = [], [0] * spec["vocab"]
    for token in x:
        counts[token] += 1
        want.append(counts.index(max(counts)))
    return _same(p, y, want)


def addition(spec: Spec, sample: Sample) -> list[str]:
    d = spec["digits"]
    p, x, y = _tokens(spec, sample, 3 * d + 2, 12)
    if not x:
        return p
    p.unless(x[d] == 10 and x[2 * d + 1 :] == [11] + [12] * d, "signs out of place")
    first, second = x[:d], x[d + 1 : 2 * d + 1]
    p.unless(max(first + second) < 10, "a sign among the digits")
    if p:
        return p
    total = sum(
        (a + b) * 10**i for i, (a, b) in enumerate(zip(first, second, strict=True))
    )
    want = [total // 10**i % 10 for i in range(d + 1)]
    return _same(p, y, [_NONE] * (2 * d + 1) + want)


def automata(spec: Spec, sample: Sample) -> list[str]:
    s, v, w = spec["states"], spec["symbols"], spec["string_length"] + 1
    p, x, y = _tokens(spec, sample, spec["strings"] * w - 1, v, "next_state")
    if not p.array(sample, "next_state", "int32", (s, v), -1, s - 1) or not x:
        return p
    table = sample["next_state"].tolist()
    for state, goals in enumerate(table):
        allowed = sum(g >= 0 for g in goals)
        p.unless(allowed == spec["edges"], f"state {state} allows {allowed} symbols")
    p.unless(x[1:] == y[:-1], "targets are not the inputs one step later")
    text = [*x, y[-1]]
    state = 0
    for t, token in enumerate(text):
        if t % w == w - 1:
            p.unless(token == v, f"position {t}: expected the end of a string")
            state = 0
        elif token >= v or table[state][token] < 0:
            p.append(f"position {t}: state {state} does not allow symbol {token}")
            break
        else:
            state = table[state][token]
    return p


def hidden_markov(spec: Spec, sample: Sample) -> list[str]:
    n, s, v = spec["length"], spec["states"], spec["symbols"]
    p, x, y = _tokens(spec, sample, n, v - 1, "states", "topic")
    good = p.array(sample, "states", "int32", (n,), 0, s - 1)
    good &= p.integer(sample, "topic", 0, spec["topics"] - 1)
    if not x or not good:
        return p
    p.unless(
        x[1:] == y[:-1] and 0 <= y[-1] < v, "targets are not the inputs one step later"
    )
    states, topic = sample["states"].tolist(), sample["topic"]
    follows = 0
    for t in range(n):
        said = {(7 * states[t] + j) % v for j in range(spec["width"])}
        if x[t] not in said:
            p.append(f"inputs[{t}]: state {states[t]} does not say {x[t]}")
            break
        follows += t > 0 and states[t] == (states[t - 1] + 1 + topic) % s
    expected = spec["stay"] + (1 - spec["stay"]) / s
    spread = math.sqrt(max(expected * (1 - expected), 1e-9) * max(n - 1, 1))
    far = abs(follows - expected * (n - 1)) > 6 * spread + 3
    p.unless(not far, f"{follows} of {n - 1} steps follow topic {topic}")
    return p


def in_context_regression(spec: Spec, sample: Sample) -> list[str]:
    n, f, noise = spec["points"], spec["features"], spec["noise"]
    p = Problems()
    good = p.names(sample, "x", "y", "weights")
    good &= p.array(sample, "x", "float32", (n, f), -7, 7)
    good &= p.array(sample, "y", "float32", (n,))
    good &= p.array(sample, "weights", "float32", (f,), -7, 7)
    if not good:
        return p
    want = np.einsum(
        "nf,f->n", sample["x"].astype(float), sample["weights"].astype(float)
    )
    error = np.abs(sample["y"] - want)
    bound = 1e-6 * (1 + np.abs(want)) + 7 * noise
    p.unless(error <= bound, f"y: off by {error.max():.3g}")
    if noise and n >= 8:
        rms = math.sqrt(float((error**2).mean()))
        slack = 6 / math.sqrt(2 * n)
        p.unless(
            abs(rms / noise - 1) < slack, f"y: noise of {rms:.3g}, not {noise:.3g}"
        )
    return p
