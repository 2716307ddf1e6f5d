"""The operations: deploy a directory or an image, restart, destroy, sweep; and domains, health check."""
