"""Who the patients are, and what is not known of them."""
