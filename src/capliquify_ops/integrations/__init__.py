"""Outside services, one module for each, over one client: their operations that a diagnosis or a remedy needs."""
