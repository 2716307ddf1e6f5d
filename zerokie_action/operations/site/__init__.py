"""What is done to a static app: the order of a deploy, its storage zone, its custom domains."""
