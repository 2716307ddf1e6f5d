"""The inputs: their table, their texts, and their problems."""
