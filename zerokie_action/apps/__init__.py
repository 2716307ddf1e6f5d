"""One operation on one app: the run's tools, the app's lookup and creation, the health check."""
