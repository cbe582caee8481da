"""Options that several commands share, declared once: as the fields of a dataclass.

Typer takes the options of a command from the parameters of its function. Here, a command with a parameter for
a whole dataclass is given the fields of it as parameters in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any

Command = Callable[..., None]


def with_options_of(*shared: type) -> Callable[[Command], Command]:
    """Decorator for a command whose first arguments are `shared`, dataclasses of annotated options.

    In the help, the required ones of `shared` come before the command's own options, the others after these.
    """
    of_shared = [signature(group, eval_str=True).parameters for group in shared]
    every = [parameter for group in of_shared for parameter in group.values()]
    required = [p for p in every if p.default is Parameter.empty]
    others = [p for p in every if p.default is not Parameter.empty]

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(**values: Any) -> None:
            groups = [
                group(**{name: values.pop(name) for name in names})
                for group, names in zip(shared, of_shared, strict=True)
            ]
            command(*groups, **values)

        own = list(signature(command, eval_str=True).parameters.values())[len(shared) :]
        _take(run, (*required, *own, *others))
        return run

    return decorate


def _take(command: Command, parameters: Iterable[Parameter]) -> None:
    """Give a function that takes any keywords the signature by which Typer makes its options."""
    keywords = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in parameters]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in keywords}
    command.__signature__ = Signature(keywords)  # type: ignore[attr-defined]
