"""Making things with ComfyUI: workflows, jobs, results."""
