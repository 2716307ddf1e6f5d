"""Text for people and machines: escapes, numbers, redaction."""
