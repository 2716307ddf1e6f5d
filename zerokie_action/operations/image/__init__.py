"""What is done to a container app: the request, the rules that judge what it shows, the rollback."""
