"""Which column goes to which input: by name, or as the caller says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

from gradc.data.column import Array, Data, fail
from gradc.errors import CallError, suggestion
from gradc.source import canonical

# Names that a message lists at most.
_LISTED = 12


def bind(
    data: Sequence[Data],
    inputs: Sequence[str],
    binds: Mapping[str, str],
    given: Collection[str] = (),
    defaulted: Collection[str] = (),
) -> dict[str, Any]:
    """The arrays for the inputs that the data have columns for, by the names of the inputs.

    A column goes to the input of its name, or where ``binds`` (input: column) sends it; ``"a, b, c"`` puts columns
    side by side as the columns of a matrix. The array of a .npy file goes to the input that the file is called after,
    to the one that ``binds`` gives no column (``""``), or to the only one that has no value otherwise. Inputs in
    ``given`` have a value, which comes before that of a column; those in ``defaulted`` have one unless a column brings
    another. Columns that no input asks for are not even read. Raises ``CallError``.
    """
    names = {canonical(name): name for name in inputs}
    wanted = _wanted(names, binds, {canonical(name) for name in given})
    if wanted and not data:
        name = names[next(iter(wanted))]
        raise fail("E0627", f"`{name}` is to be a column, and there are no data", "name a file with `--data FILE`")
    found: dict[str, Any] = {}
    used: set[int] = set()
    origin: dict[str, str] = {}
    for key, column in wanted.items():
        at, array = _asked(names[key], column, data)
        used.add(at)
        found[key], origin[key] = array, data[at].path
    taken = {canonical(name) for name in given} | wanted.keys()
    for at, each in enumerate(data):
        for column, key in _own(each, names):
            used.add(at)
            if key in taken:
                continue
            if key in origin:
                raise _twice(names[key], origin[key], each.path)
            origin[key] = each.path
            found[key] = each.column(column) if column else each.array()
    free = [key for key in names if key not in found and key not in taken]
    needy = [key for key in free if key not in {canonical(name) for name in defaulted}]
    for at, each in enumerate(data):
        if at not in used and each.single is not None:
            if len(needy) != 1:
                raise _unclear(each, [names[key] for key in needy or free if key not in found])
            found[needy.pop()] = each.array()
            used.add(at)
    for at, each in enumerate(data):
        if at not in used:
            raise _unused(each, inputs)
    return {name: found[key] for key, name in names.items() if key in found}


def _wanted(names: Mapping[str, str], binds: Mapping[str, str], given: Collection[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for name, column in binds.items():
        key = canonical(name)
        if key not in names:
            hints = suggestion(name, names.values()) or _inputs(list(names.values()))
            raise fail("E0602", f"there is no input `{name}`", *hints)
        if key in wanted:
            raise fail("E0629", f"`{names[key]}` is bound to `{wanted[key]}` and to `{column}`")
        if key in given:
            raise fail("E0629", f"`{names[key]}` is set to a value and bound to the column `{column}`")
        wanted[key] = column
    return wanted


def _inputs(names: Sequence[str]) -> tuple[str, ...]:
    return (f"the inputs are {_list(names)}",) if names else ("the program has no inputs",)


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:_LISTED]) + (", …" if len(names) > _LISTED else "")


def _own(data: Data, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """The columns of a file that are named like an input, with the input; an empty name is the file's only array."""
    if data.single is not None:
        key = canonical(Path(data.path).stem)
        return [("", key)] if key in names else []
    found = [(column, canonical(column)) for column in data.columns]
    return [(column, key) for column, key in found if key in names]


def _asked(name: str, spec: str, data: Sequence[Data]) -> tuple[int, Array]:
    """The array that ``spec`` asks for, and the number of the file that has it."""
    if not spec:
        whole = [at for at, each in enumerate(data) if each.single is not None]
        if not whole:
            raise fail("E0627", f"`{name}=` binds the array of a .npy file, and none is given", *_columns(data))
        if len(whole) > 1:
            paths = " and ".join(f"`{data[at].path}`" for at in whole[:2])
            raise fail("E0629", f"`{name}=` could be {paths}", f"write `{name}={Path(data[whole[0]].path).stem}`")
        return whole[0], data[whole[0]].array()
    # The name of a column may hold a comma.
    parts = [spec] if any(_has(each, spec) for each in data) else [part.strip() for part in spec.split(",")]
    # As in a tuple of Python, a comma makes even one column a matrix.
    single = len(parts) == 1
    if not single and not parts[-1]:
        parts.pop()
    places = []
    for part in parts:
        places.append([at for at, each in enumerate(data) if _has(each, part)])
        if not places[-1]:
            raise _unknown(name, part, data)
    common = [at for at in places[0] if all(at in place for place in places)]
    if len(common) > 1 or (not common and any(len(place) > 1 for place in places)):
        part, place = next((p, each) for p, each in zip(parts, places, strict=True) if len(each) > 1)
        files = " and ".join(f"`{data[at].path}`" for at in place[:2])
        raise fail("E0629", f"the column `{part}` for `{name}` is in {files}", "give one of the two files")
    chosen = common * len(parts) or [place[0] for place in places]
    arrays = [_get(data[at], part) for at, part in zip(chosen, parts, strict=True)]
    return chosen[0], arrays[0] if single else _stacked(name, parts, arrays)


def _has(data: Data, column: str) -> bool:
    return column in data.columns or (data.single is not None and Path(data.path).stem == column)


def _get(data: Data, column: str) -> Array:
    return data.column(column) if column in data.columns else data.array()


def _stacked(name: str, columns: Sequence[str], arrays: Sequence[Array]) -> Array:
    """Columns side by side: ``[:, 0]`` is the first."""
    for column, array in zip(columns, arrays, strict=True):
        if array.shape != arrays[0].shape:
            message = f"the columns for `{name}` differ: `{columns[0]}` has shape {_shape(arrays[0])}"
            raise fail("E0623", f"{message}, `{column}` has {_shape(array)}")
        if (array.dtype.kind == "b") != (arrays[0].dtype.kind == "b"):
            raise fail("E0626", f"the columns for `{name}` mix numbers (`{columns[0]}`) and truth values (`{column}`)")
    return numpy.stack(arrays, axis=-1)


def _shape(array: Array) -> str:
    return f"[{', '.join(map(str, array.shape))}]"


def _unknown(name: str, column: str, data: Sequence[Data]) -> CallError:
    every = [each for found in data for each in found.columns]
    where = f" in `{data[0].path}`" if len(data) == 1 else ""
    hints = (*suggestion(column, every), *_columns(data))
    return fail("E0627", f"there is no column `{column}`{where} for `{name}`", *hints)


def _columns(data: Sequence[Data]) -> tuple[str, ...]:
    """A hint for each file that lists what it has."""
    found = []
    for each in data:
        kind = "members" if each.path.lower().endswith(".npz") else "columns"
        if each.single is not None:
            found.append(f"`{each.path}` holds one array, without a name")
        elif each.columns:
            found.append(f"the {kind} of `{each.path}` are {_list(list(each.columns))}")
        else:
            found.append(f"`{each.path}` has no {kind}")
    return tuple(found)


def _twice(name: str, first: str, second: str) -> CallError:
    if first == second:
        return fail("E0629", f"two columns of `{first}` are named like the input `{name}`")
    return fail("E0629", f"both `{first}` and `{second}` have data for `{name}`", "give one of the two files")


def _unclear(data: Data, inputs: Sequence[str]) -> CallError:
    if not inputs:
        return fail("E0630", f"every input has a value, so none takes the array of `{data.path}`", _BIND)
    which = f"which of {_list(inputs)} takes it is unclear" if len(inputs) > 1 else f"`{inputs[0]}` has a default"
    return fail("E0630", f"`{data.path}` holds an array without a name, and {which}", _BIND)


_BIND = "write `--bind NAME=` to give it to an input"


def _unused(data: Data, inputs: Sequence[str]) -> CallError:
    kind = "member" if data.path.lower().endswith(".npz") else "column"
    hints = (*_inputs(inputs), *_columns([data]))
    if data.columns and inputs:
        hints += (f"`--bind {inputs[0]}={next(iter(data.columns))}` gives an input a {kind} of another name",)
    return fail("E0630", f"no {kind} of `{data.path}` is named like an input", *hints)
