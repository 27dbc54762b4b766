"""The six socio-economic regions, in which a fault's scope can be given.

The grouping of the 34 provinces is the usual one since the mergers, not checked against a decree [A]; so are the short
names.
"""

from types import MappingProxyType

REGIONS = MappingProxyType(
    {
        "northern-mountains": ("04", "08", "11", "12", "14", "15", "19", "20", "25"),
        "red-river-delta": ("01", "22", "24", "31", "33", "37"),
        "north-central": ("38", "40", "42", "44", "46"),
        "south-central": ("48", "51", "52", "56", "66", "68"),
        "southeast": ("75", "79", "80"),
        "mekong-delta": ("82", "86", "91", "92", "96"),
    }
)
"""Name -> province codes: Trung du và miền núi phía Bắc, Đồng bằng sông Hồng, Bắc Trung Bộ, Duyên hải Nam Trung Bộ và
Tây Nguyên, Đông Nam Bộ, Đồng bằng sông Cửu Long."""
