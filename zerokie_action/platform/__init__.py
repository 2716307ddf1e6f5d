"""The platform's REST API, and the public side of its apps."""
