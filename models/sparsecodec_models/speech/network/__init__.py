"""The network of `speech`: what the encoder sees, what it says, and what its numbers cost in bits."""
