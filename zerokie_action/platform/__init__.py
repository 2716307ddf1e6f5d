"""The platform's REST API and the public pages of its apps."""
