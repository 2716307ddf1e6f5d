"""What users ask for, one module each: deploy a folder or an image, restart, destroy, domains, health."""
