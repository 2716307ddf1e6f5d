"""How requests travel: connections, proxies, retries. Knows nothing of the platform's API."""
