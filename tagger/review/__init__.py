"""What the tagger is not sure of: the queue for people."""
