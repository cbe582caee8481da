"""The one exception that means: the user can put this right; and the reason of any in one line."""

from __future__ import annotations


class UserError(Exception):
    """A problem with the input or the set-up that the user can put right.

    The message names the file or setting, what is wrong with it and what to do. The command line prints it
    without a traceback and exits with status 1.
    """


def reason_of(error: Exception) -> str:
    """One line on what went wrong; the type tells a bug from bad input."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
