"""What goes wrong through no fault of the program."""


class UserError(Exception):
    """Something the user can put right, told in one line: what is wrong, where, what to do.

    Every command shows it without a traceback and exits with code 2.
    """
