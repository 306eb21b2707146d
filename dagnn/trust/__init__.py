"""What may be believed without labels of the target."""
