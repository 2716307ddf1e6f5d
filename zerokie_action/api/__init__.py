"""The platform, and nothing but the platform: its REST API, how requests travel, the deploy lock."""
