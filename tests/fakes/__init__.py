"""Small real servers that stand for the world outside: model hosts that behave, and model hosts that do not."""
