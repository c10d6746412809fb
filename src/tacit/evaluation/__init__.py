"""Questions asked of a run: each names the capability it needs and says its protocol in words."""
