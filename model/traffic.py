"""Who files where, and how: shares by province and by channel, each with its source."""

from collections.abc import Iterable

from model.places import provinces as all_provinces

HANOI, HO_CHI_MINH_CITY = "01", "79"

NATION_TO_19_AUGUST = 4_400_000
"""Dossiers nationwide, 1 July to 19 August 2025 [P]."""

HO_CHI_MINH_CITY_TO_19_AUGUST = 645_000
"""Dossiers of Ho Chi Minh City, 1 July to 19 August 2025 [P]."""

HANOI_IN_3_WEEKS = 66_000
"""Dossiers of Hanoi in its first three weeks [S4]."""

WORKING_DAYS_TO_19_AUGUST, WORKING_DAYS_IN_3_WEEKS = 36, 15
"""Monday to Friday; neither stretch has a public holiday."""

ONLINE_SHARE = 0.747
"""Share of dossiers filed online, 1 July to 19 August 2025 [P]."""

KNOWN_SHARES = {
    HO_CHI_MINH_CITY: HO_CHI_MINH_CITY_TO_19_AUGUST / NATION_TO_19_AUGUST,
    HANOI: (HANOI_IN_3_WEEKS / WORKING_DAYS_IN_3_WEEKS) / (NATION_TO_19_AUGUST / WORKING_DAYS_TO_19_AUGUST),
}
"""Share of the nation's dossiers: 14.7 % [P], 3.6 % ([S4] over [P], per working day [A])."""

WEIGHTS_PROVENANCE = "Ho Chi Minh City [P] and Hanoi [S4, P] from published counts, the rest by communes [A]"


def province_weights(provinces: Iterable[str]) -> dict[str, float]:
    """Return each province's share of the dossiers of these provinces; the shares add up to 1.

    The nation's remainder is spread over the other 32 by their number of communes [A].
    Raises KeyError for a code that isn't a province's.
    """
    shares = {code: _share_of_nation(code) for code in provinces}
    total = sum(shares.values())
    return {code: share / total for code, share in shares.items()}


def _share_of_nation(code: str) -> float:
    if code in KNOWN_SHARES:
        return KNOWN_SHARES[code]
    others = sum(place.communes for place in all_provinces().values() if place.code not in KNOWN_SHARES)
    return (1 - sum(KNOWN_SHARES.values())) * all_provinces()[code].communes / others
