"""Strategies that damage valid files: JSON values, texts and bytes."""

import copy
from functools import reduce
from operator import getitem

from hypothesis import strategies as st


def ways(value, way=()):
    """Yield the keys that lead to each value inside a JSON value."""
    inside = enumerate(value) if isinstance(value, list) else getattr(value, "items", list)()
    for key, one in inside:
        yield (*way, key)
        yield from ways(one, (*way, key))


@st.composite
def changed(draw, content, values, shallowest=1):
    """A JSON value in which one to three values are exchanged, dropped, repeated or nudged.

    The values are chosen at the depth ``shallowest`` or deeper.
    """
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        found = [way for way in ways(content) if len(way) >= shallowest]
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        parent = reduce(getitem, way, content)
        value = parent[last]
        actions = ["exchange", "exchange", "drop"]
        if isinstance(parent, list):
            actions.append("repeat")
        if type(value) in (int, float):
            actions += ["scale", "nudge", "nudge", "nudge"]
        action = draw(st.sampled_from(actions))
        if action == "drop":
            del parent[last]
        elif action == "repeat":
            parent.insert(0, copy.deepcopy(value))
        elif action == "scale":
            parent[last] = value * draw(st.sampled_from([-1, 0.01, 1.5, 100, 10**6]))
        elif action == "nudge":
            step = st.sampled_from([-1, 1]) if type(value) is int else st.floats(-3, 3)
            parent[last] = value + draw(step)
        else:
            parent[last] = copy.deepcopy(draw(st.sampled_from(values)))
    return content


@st.composite
def bent(draw, content):
    """Bytes of which some are changed, put in, cut out, doubled or cut off."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        action = draw(st.sampled_from(["flip", "put in", "cut out", "double", "cut off"]))
        if action == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif action == "put in":
            signs = draw(st.sampled_from(list(b'[]{}",:\\ 019-eN\x00\xff')))
            content[at:at] = bytes([signs]) * draw(st.sampled_from([1, 1, 99]))
        elif action == "cut out":
            del content[at : at + draw(st.integers(1, 40))]
        elif action == "double":
            content[at:at] = content[at : at + draw(st.integers(1, 400))]
        elif action == "cut off" and draw(st.integers(0, 4)) == 0:
            del content[at:]
    return bytes(content)
