"""The systems that one submission crosses, as real servers: portal, provinces, VNeID, population, payment."""
