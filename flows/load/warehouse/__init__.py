"""What both warehouses share: the protocol, the ledger's rows, the lake seen without loading."""

from flows.load.warehouse.protocol import Warehouse, WarehouseLoad, has_objects

__all__ = ["Warehouse", "WarehouseLoad", "has_objects"]
