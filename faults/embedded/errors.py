"""Every error that the API answers, in one table, with its HTTP status."""


class ApiError(Exception):
    """An answer that isn't a success.

    Attributes:
        message: The ``error`` of the body.
        status: HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


ERRORS = {
    "body": ("bad request body", 400),
    "missing": ("missing required field", 400),
    "stream": ("stream was invalid, can be either upstream or downstream", 400),
    "type": ("invalid toxic type", 400),
    "no_proxy": ("proxy not found", 404),
    "no_toxic": ("toxic not found", 404),
    "proxy_exists": ("proxy already exists", 409),
    "toxic_exists": ("toxic already exists", 409),
}


def error(name: str, detail: str = "") -> ApiError:
    """Return an error of the table; ``detail`` is appended to its message."""
    message, status = ERRORS[name]
    return ApiError(f"{message}: {detail}" if detail else message, status)
