"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A problem with the input or the set-up that the user can mend.

    The message names the file or setting, what is wrong with it and what to do. The command line prints it
    without a traceback and exits with status 1.
    """
