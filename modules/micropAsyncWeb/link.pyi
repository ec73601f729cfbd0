"""Types of micropAsyncWeb.link: what websocket and sse give out of it."""

class Closed(Exception):
    """Closed(code, reason): the client has gone, or one side has ended the conversation. Need not be caught."""
