"""Every estimate of one contrast, and what they agree on."""
