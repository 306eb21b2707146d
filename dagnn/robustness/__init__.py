"""How much small changes of images change predictions."""
