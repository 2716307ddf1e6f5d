"""Reports for people and machines: summary, outputs, JSON result, dotenv, annotations."""
