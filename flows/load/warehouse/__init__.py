"""What both warehouses share: the protocol, the ledger, the lake seen without loading."""
