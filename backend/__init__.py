"""Hearth: the self-hosted home of ComfyUI."""
