"""What a pickle would build, found without building it: too much, or too deep, is refused.

A few hundred bytes can describe lists of lists that would fill any memory, tuples so deep that to
hash them ends the interpreter, or a million classes. The opcodes are followed here with a node for
each object, and the objects' sizes are those of the tree that would come of them.
"""

import io
import pickletools
from collections.abc import Iterator
from typing import Any, NamedTuple

MOST_OPCODES = 500_000
MOST_CLASSES = 10_000
MOST_DEEP = 60
"""Containers within containers; models of chumpy expressions have some ten."""
MOST_EXPANDED = 5_000_000
"""Objects, one that is in two places counted twice, beside those of `MOST_OPCODES`; 8 bytes of
data are one."""
_LONGEST_INTEGER = 64
_MARK = "mark"


class LimitError(ValueError):
    """The pickle would build more than any file that is read here."""


class _Graph(NamedTuple):
    """Of each object, what is in it, and its own size."""

    within: list[list[int]]
    own: list[int]

    def new(self, items: list[int], size: int = 1) -> int:
        self.within.append(items)
        self.own.append(size)
        return len(self.own) - 1


_MAKE_OF_MARK = {"TUPLE", "LIST", "DICT", "FROZENSET"}
_MAKE_OF = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "REDUCE": 2, "NEWOBJ": 2, "NEWOBJ_EX": 3}
_ADD_OF_MARK = {"APPENDS", "SETITEMS", "ADDITEMS"}
_ADD_OF = {"APPEND": 1, "SETITEM": 2, "BUILD": 1}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
_CLASSES = {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}


def check(data: bytes) -> None:
    """Follows a pickle's opcodes.

    Raises:
      LimitError: it is beyond one of the limits.
      ValueError, IndexError, KeyError: it is damaged.
    """
    graph = _Graph([], [])
    stack: list[int | str] = []
    memo: dict[int, int] = {}
    classes = 0
    for number, (opcode, argument) in enumerate(_opcodes(data)):
        name = opcode.name
        if number > MOST_OPCODES:
            raise LimitError(f"it has more than {MOST_OPCODES} opcodes")
        if name in _CLASSES:
            classes += 1
            if classes > MOST_CLASSES:
                raise LimitError(f"it asks for classes more than {MOST_CLASSES} times")
        if name in ("LONG", "LONG1", "LONG4", "INT"):
            length = argument.bit_length() // 8 if isinstance(argument, int) else 0
            if length > _LONGEST_INTEGER:
                raise LimitError(f"it has an integer of {length} bytes")
        if name == "MARK":
            stack.append(_MARK)
        elif name in _MAKE_OF_MARK or name in ("OBJ", "INST"):
            stack.append(graph.new(_to_mark(stack)))
        elif name in _MAKE_OF:
            stack.append(graph.new(_last(stack, _MAKE_OF[name])))
        elif name in _ADD_OF_MARK:
            items = _to_mark(stack)
            graph.within[_top(stack)] += items
        elif name in _ADD_OF:
            items = _last(stack, _ADD_OF[name])
            graph.within[_top(stack)] += items
        elif name in _PUT:
            # The memo is an array as long as its largest number.
            if not 0 <= _number(argument) <= MOST_OPCODES:
                raise LimitError(f"it numbers an object {argument}")
            memo[_number(argument)] = _top(stack)
        elif name == "MEMOIZE":
            memo[len(memo)] = _top(stack)
        elif name in _GET:
            stack.append(memo[_number(argument)])
        elif name == "DUP":
            stack.append(_top(stack))
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            _to_mark(stack)
        elif name == "STACK_GLOBAL":
            _last(stack, 2)
            stack.append(graph.new([]))
        elif name in ("PROTO", "FRAME", "STOP"):
            continue
        elif opcode.stack_after:
            _last(stack, len(opcode.stack_before))
            length = len(argument) if isinstance(argument, bytes | bytearray | str) else 0
            stack.append(graph.new([], 1 + length // 8))
    _check_expanded(graph, MOST_EXPANDED + len(data) // 8)


def _opcodes(data: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    """As `pickletools.genops`, which does not read the text that Python 2 wrote in protocol 0."""
    file = io.BytesIO(data)
    opcodes = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
    while True:
        opcode = opcodes[file.read(1)]
        if opcode.name == "STRING":
            yield opcode, file.readline().decode("latin1")
        else:
            yield opcode, opcode.arg.reader(file) if opcode.arg else None
        if opcode.name == "STOP":
            return


def _top(stack: list[int | str]) -> int:
    top = stack[-1]
    if isinstance(top, str):
        raise ValueError("a mark where an object should be")
    return top


def _last(stack: list[int | str], count: int) -> list[int]:
    if count > len(stack):
        raise IndexError("too few objects")
    items = [stack.pop() for _ in range(count)]
    return [item for item in reversed(items) if not isinstance(item, str)]


def _to_mark(stack: list[int | str]) -> list[int]:
    items = []
    while (item := stack.pop()) != _MARK:
        items.append(item)
    return [item for item in reversed(items) if not isinstance(item, str)]


def _check_expanded(graph: _Graph, most: int) -> None:
    """Sizes and depths from the leaves up; a cycle has no end."""
    size = list(graph.own)
    depth = [0] * len(size)
    state = [0] * len(size)  # 1 while what is in it is counted, 2 when it is done
    for root in range(len(size)):
        pending = [root]
        while pending:
            node = pending[-1]
            if state[node] == 0:
                state[node] = 1
                for inner in graph.within[node]:
                    if state[inner] == 1:
                        raise LimitError("an object is in itself")
                    if state[inner] == 0:
                        pending.append(inner)
                continue
            pending.pop()
            if state[node] == 2:
                continue
            state[node] = 2
            for inner in graph.within[node]:
                size[node] += size[inner]
                depth[node] = max(depth[node], depth[inner] + 1)
            if size[node] > most:
                raise LimitError("written out it would be too large")
            if depth[node] > MOST_DEEP:
                raise LimitError(f"it has objects within objects, more than {MOST_DEEP} deep")


def _number(argument: Any) -> int:
    return int(argument)
