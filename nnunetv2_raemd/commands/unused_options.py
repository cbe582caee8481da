"""Options that would have no effect beside others are refused: whoever gives one expects something of it."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Annotated, Any, get_args, get_origin

from typer.models import OptionInfo

from nnunetv2_raemd.errors import UserError


def refuse_unused(group: object, reason: str, *fields: str) -> None:
    """For a dataclass of annotated options: none of these may have another value than its default.

    Args:
        reason: follows the option's name in the message, as "is for --froc".

    Raises:
        UserError: if one has.
    """
    parameters = signature(type(group), eval_str=True).parameters
    for name in fields:
        if getattr(group, name) != parameters[name].default:
            raise UserError(f"{_option(parameters[name])} {reason}")


def _option(parameter: Parameter) -> str:
    """The name by which it is given; the long one where there are two."""
    return max(_declared(parameter.annotation), key=len, default=f"--{parameter.name.replace('_', '-')}")


def _declared(annotation: Any) -> list[str]:
    if get_origin(annotation) is not Annotated:
        return []
    options = [one for one in get_args(annotation) if isinstance(one, OptionInfo)]
    # what stands first in typer.Option() is its `default`, which in an annotation is a name
    names = [name for option in options for name in (option.default, *(option.param_decls or ()))]
    return [name for name in names if isinstance(name, str)]
