"""The deploy lock: acquired, kept alive, and released whatever happens."""
