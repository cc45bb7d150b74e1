"""What is recorded live, one quantity per file."""
