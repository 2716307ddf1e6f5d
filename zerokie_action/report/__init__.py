"""What a run tells people and machines: progress, summary, JSON result, dotenv, annotations."""
