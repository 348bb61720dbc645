"""The paper's claims: what the mini scale makes of them, over seeds that no design was tuned on."""
