"""The one exception that means: the user can put this right; and the reason of any in one line."""

from __future__ import annotations

import re

# where in SimpleITK's and ITK's source an error was raised, and by which object
_PLACE_IN_ITK = re.compile(r"^Exception thrown in SimpleITK .*?ERROR: (\w+\(0x[0-9a-f]+\): )?", re.IGNORECASE)


class UserError(Exception):
    """A problem with the input or the set-up that the user can put right.

    The message names the file or setting, what is wrong with it and what to do. The command line prints it
    without a traceback and exits with status 1.
    """


def reason_of(error: Exception) -> str:
    """One line on what went wrong; the type tells a bug from bad input."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def reason_of_reader(error: Exception) -> str:
    """One line on why a library could not read a file, without the places in the library's source."""
    text = _PLACE_IN_ITK.sub("", " ".join(str(error).split()))
    return text.rpartition("[nrrd] ")[2] or type(error).__name__  # NRRD's library tells the reason last
