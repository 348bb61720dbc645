"""The one exception a user sees."""


class UserError(Exception):
    """A user's mistake, told in one sentence that names the file, the value and the fix.

    The command line prints the sentence without a traceback and exits with 2.
    """
