"""The operations: deploy a directory or an image, restart, destroy; and domains, health check."""
