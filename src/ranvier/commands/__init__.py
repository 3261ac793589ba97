"""What each command does: files in, figures or files out."""
