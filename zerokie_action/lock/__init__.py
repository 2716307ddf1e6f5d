"""The deploy lock and its release, however a run ends."""
