"""Methods fitted over well-kept libraries; they work on any latents."""
