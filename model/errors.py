"""The one exception that a user's mistake may end in."""

__all__ = ["RanvierError"]


class RanvierError(Exception):
    """A user's input cannot be used; the message is one line that names the file or field and the mend.

    The command line prints the message alone and exits with code 2. Anything else that escapes
    is a defect of Ranvier.
    """
