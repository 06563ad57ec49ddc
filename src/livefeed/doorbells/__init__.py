"""Ways to ring: LIVEFEED["DOORBELL"] names one of them."""
