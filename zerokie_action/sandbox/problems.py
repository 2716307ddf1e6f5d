"""How the platform says no."""


class ApiError(Exception):
    """A request that the platform refuses.

    Attributes:
        status: the HTTP status code, one of the reference's table.
        message: the `error` of the answer's body.
    """

    def __init__(self, status: int, message: str) -> None:
        """Refuse with this status and message."""
        super().__init__(message)
        self.status = status
        self.message = message
