"""The methods: one file each, grouped by family."""
