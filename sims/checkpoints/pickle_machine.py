"""Read tensors out of torch checkpoints without torch and without running anything a pickle asks for.

A pickle is a program. Python's own unpickler runs it; this module interprets it symbolically instead: a small
stack machine over ``pickletools.genops`` knows the opcodes that build data, and
:mod:`sims.checkpoints.pickle_values` what the names in it stand for. A name that is not known there becomes
an opaque object; one that would run a program ends the reading with one sentence. No object of the file's
choosing is ever imported, called or constructed.
"""

import pickletools
import struct
from collections.abc import Callable
from typing import IO, Any

from sims.checkpoints.limits import OPCODES, LimitError
from sims.checkpoints.pickle_values import (
    TENSORS,
    Items,
    Name,
    Opaque,
    Storage,
    apply,
    fail,
    name,
    set_items,
    storage,
)

_WHY: dict[type[Exception], str] = {
    KeyError: "it recalls a value it never kept",
    IndexError: "it takes a value where there is none",
}


def interpret(stream: IO[bytes], size: int, storages: list[Storage] | None = None) -> Any:
    """The value of one pickle, read from `stream` up to and including its STOP.

    `size` is the number of bytes that the stream holds; in proportion to it stands what the pickle may cost.
    `storages` takes every storage it refers to.

    Returns plain Python data in which tensors are views of storages and unknown objects are opaque.

    Raises
    ------
    ValueError
        A name that would run a program, an opcode data does not need, or a malformed stream.
    """
    try:
        return _interpret(stream, OPCODES.allowed(size), size, [] if storages is None else storages)
    except LimitError:
        raise
    except ValueError as error:
        if str(error).startswith("not a readable"):
            raise
        raise fail(f"malformed pickle ({error})") from None
    except (
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        struct.error,
    ) as error:
        raise fail(f"malformed pickle ({_WHY.get(type(error), type(error).__name__)})") from None


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": lambda: Opaque("builtins.set"),
}


_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}


def _interpret(stream: IO[bytes], most: int, size: int, storages: list[Storage]) -> Any:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    copied = 0

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        code = opcode.name
        if count > most:
            OPCODES.check(count, size)
        if code in ("PROTO", "FRAME"):
            continue
        if code == "STOP":
            if len(stack) != 1 or marks:
                raise fail("the pickle ends with a stack that is not one value")
            return stack[0]
        if code in _LITERALS:
            stack.append(argument)
        elif code in _CONSTANTS:
            stack.append(_CONSTANTS[code]())
        elif code == "MARK":
            marks.append(len(stack))
        elif code in ("PUT", "BINPUT", "LONG_BINPUT"):
            if not 0 <= argument < 2**32:  # larger ones can be chosen to collide in the table
                raise fail("the pickle counts its memories in numbers no pickler uses")
            memo[argument] = stack[-1]
        elif code == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif code in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif code == "GLOBAL":
            stack.append(name(*argument.split(" ", 1)))
        elif code == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(name(module, attribute))
        elif code == "TUPLE":
            stack.append(tuple(since_mark()))
        elif code in ("TUPLE1", "TUPLE2", "TUPLE3"):
            width = int(code[-1])
            items = stack[-width:]
            if len(items) < width:
                raise fail("the pickle takes more than it put")
            del stack[-width:]
            stack.append(tuple(items))
        elif code == "LIST":
            stack.append(since_mark())
        elif code == "DICT":
            stack.append(set_items({}, since_mark()))
        elif code == "APPEND":
            value = stack.pop()
            _list(stack[-1]).append(value)
        elif code == "APPENDS":
            values = since_mark()
            _list(stack[-1]).extend(values)
        elif code == "SETITEM":
            value, key = stack.pop(), stack.pop()
            set_items(stack[-1], [key, value])
        elif code == "SETITEMS":
            items = since_mark()
            set_items(stack[-1], items)
        elif code == "POP":
            stack.pop()
        elif code == "POP_MARK":
            since_mark()
        elif code == "BINPERSID":
            storages.append(storage(stack.pop()))
            stack.append(storages[-1])
        elif code == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            if isinstance(arguments, tuple) and arguments and isinstance(arguments[0], (list, tuple)):
                copied += len(arguments[0])  # one long list can be handed to many calls
                if copied > most:
                    OPCODES.check(copied, size)
            stack.append(apply(function, arguments))
        elif code == "BUILD":
            state = stack.pop()  # a mapping's attributes, such as a state dict's _metadata, carry no weights
            if isinstance(stack[-1], Opaque):
                stack[-1].state = state
            elif not isinstance(stack[-1], (Items, *TENSORS)):
                raise fail("the pickle sets the state of something that has none")
        elif code in ("NEWOBJ", "NEWOBJ_EX"):
            if code == "NEWOBJ_EX":
                stack.pop()
            arguments, function = stack.pop(), stack.pop()
            stack.append(_new(function, arguments))
        elif code == "OBJ":
            function, *arguments = since_mark()
            stack.append(_new(function, tuple(arguments)))
        elif code == "INST":
            stack.append(_new(name(*argument.split(" ", 1)), tuple(since_mark())))
        elif code == "ADDITEMS":
            values = since_mark()
            _list(stack[-1]).extend(values)
        elif code == "FROZENSET":
            stack.append(Opaque("builtins.frozenset", members=since_mark()))
        else:
            raise fail(f"the pickle uses {code}, which tensors do not need")
    raise fail("the pickle ends early")


def _new(function: Any, arguments: Any) -> Opaque:
    """An object of a class: opaque, whatever its class."""
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise fail("the pickle makes an object of something that is no class")
    return Opaque(function.path, arguments)


def _list(value: Any) -> list:
    if isinstance(value, Opaque):
        return value.members
    if not isinstance(value, list):
        raise fail("the pickle appends to something that is not a list")
    return value
