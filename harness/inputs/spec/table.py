"""A table of the input-spec file: its keys are taken in the form that they should have.

Every error names the file, the table, the key with its value, and what it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from harness.domain import Number, Value
from harness.errors import RequestError, nearest
from harness.inputs.spec.toml_text import key_text, shortened

T = TypeVar("T")
Read_co = TypeVar("Read_co", covariant=True)


class Misfit(Exception):
    """A value has not the form that is wanted; the text says more than the form does, or is ""."""


@dataclass(frozen=True, kw_only=True)
class Form(Generic[Read_co]):
    """What a value should be, in words, and how it is read.

    `read` raises `Misfit` of any other value.
    """

    should: str
    read: Callable[[Any], Read_co]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table and where it stands: under the header `path`, " number 2" of its list, say."""

    source: str
    path: tuple[str, ...]
    data: Mapping[str, Any]
    number: str = ""

    @property
    def where(self) -> str:
        """The file and the header."""
        return f"{self.source}: [{'.'.join(map(key_text, self.path))}]{self.number}"

    def __contains__(self, key: object) -> bool:
        return key in self.data

    def check_keys(self, known: Collection[str]) -> None:
        """Refuse keys that nothing would read.

        Raises:
            RequestError: a key is none of those known.
        """
        for key, value in self.data.items():
            if key in known:
                continue
            hint = nearest(key, known)
            if not hint and isinstance(value, Mapping) and len(self.path) == 2:
                name = f"{self.path[-1]}.{key}"
                hint = f'; in quotes it is one name: [{self.path[0]}."{name}"]'
            hint = hint or f"; there are {', '.join(known)}"
            raise self.fault(f"unknown key {key_text(key)}{hint}")

    def need(self, key: str, form: Form[T]) -> T:
        """Return what the key holds.

        Raises:
            RequestError: there is no such key, or it holds something else.
        """
        if key not in self.data:
            raise self.fault(f"{key} is missing: {form.should}")
        try:
            return form.read(self.data[key])
        except Misfit as misfit:
            raise self.misfit(key, f"{form.should}{misfit}") from None

    def get(self, key: str, form: Form[T], default: T) -> T:
        """Return what the key holds, or `default` where there is no such key.

        Raises:
            RequestError: it holds something else.
        """
        return self.need(key, form) if key in self.data else default

    def table(self, key: str) -> Table:
        """Return the table that stands under the key.

        Raises:
            RequestError: it is no table.
        """
        value = self.data[key]
        if not isinstance(value, Mapping):
            raise self.misfit(key, "a table")
        return Table(source=self.source, path=(*self.path, key), data=value, number=self.number)

    def tables(self, key: str) -> dict[str, Table]:
        """Return the tables by name that stand under the key, if there is one.

        Raises:
            RequestError: something else stands there.
        """
        if key not in self.data:
            return {}
        named = self.table(key)
        return {name: named.table(name) for name in named.data}

    def list_of_tables(self, key: str) -> list[Table]:
        """Return the tables that stand in the key's list, which are counted from 1.

        Raises:
            RequestError: it is no list of tables.
        """
        value = self.data[key]
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise self.misfit(key, "a list of tables")
        return [
            Table(
                source=self.source,
                path=(*self.path, key),
                data=item,
                number=f"{self.number} number {number}",
            )
            for number, item in enumerate(value, start=1)
        ]

    def fault(self, what: str) -> RequestError:
        """Return an error that says what is wrong in this table."""
        return RequestError(f"{self.where}: {what}")

    def misfit(self, key: str, should: str) -> RequestError:
        """Return an error that says what the key should hold."""
        return self.fault(f"{key_text(key)} = {shortened(self.data[key])} should be {should}")


def whole_number(should: str = "a whole number", *, low: int | None = None) -> Form[int]:
    """Return the form of a whole number, from `low`."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Misfit
        if low is not None and value < low:
            raise Misfit
        return value

    return Form(should=should, read=read)


def list_of(item: Form[T], should: str, *, least: int = 1) -> Form[tuple[T, ...]]:
    """Return the form of a list, of `least` items or more."""

    def read(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise Misfit
        return tuple(map(item.read, value))

    return Form(should=should, read=read)


def one_of(choices: Sequence[T], should: str) -> Form[T]:
    """Return the form of a value that is one of few."""

    def read(value: Any) -> T:
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
        names = [choice for choice in choices if isinstance(choice, str)]
        raise Misfit(nearest(value, names) if isinstance(value, str) else "")

    return Form(should=f"{should}: {', '.join(map(str, choices))}", read=read)


def pair(item: Form[T], should: str) -> Form[tuple[T, T]]:
    """Return the form of [low, high]."""

    def read(value: Any) -> tuple[T, T]:
        if not isinstance(value, list) or len(value) != 2:
            raise Misfit
        low, high = map(item.read, value)
        if not low <= high:  # type: ignore[operator]
            raise Misfit
        return low, high

    return Form(should=should, read=read)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Misfit
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Misfit
    return value


def _number(value: Any) -> Number:
    # A bool is one too: true is 1.
    if not isinstance(value, (int, float)):
        raise Misfit
    return value


def _end(value: Any) -> int | float:
    if isinstance(value, bool):
        raise Misfit
    return _number(value)


def _value(value: Any) -> Value:
    if isinstance(value, Mapping) and value.keys() == {"hex"}:
        try:
            return bytes.fromhex(value["hex"])
        except (TypeError, ValueError):
            raise Misfit from None
    if not isinstance(value, (int, float, str)):
        raise Misfit
    return value


TEXT = Form(should="a text", read=_text)
FLAG = Form(should="true or false", read=_flag)
NUMBER = Form(should="a number, true or false", read=_number)
END = Form(should="a number", read=_end)
"""Of a range: false and true are none, whose place is in choices."""
VALUE = Form(should="one value: a number, a string, true or false", read=_value)
VALUES = list_of(VALUE, "a list of values")
