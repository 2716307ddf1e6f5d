"""What users ask for, one module each: deploy a directory or an image, restart, destroy, domains, health."""
