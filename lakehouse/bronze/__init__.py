"""Landing -> bronze: rows as delivered, and the ledger of deliveries."""
