"""Reports for people and machines: progress, summary, JSON result, dotenv, annotations."""
