"""What the sources ask for: the rows of the mission's table, which campaigns name in ``answers``."""

from types import MappingProxyType

OBLIGATIONS = MappingProxyType(
    {
        1: "official test of the national portal and the provincial systems [S0, S2]",
        2: "provincial interfaces close around T_cutover [S0, S1, S2]",
        3: "synchronous, interconnected, uninterrupted data [S0]",
        4: "nobody is refused because of the restructuring [S0]",
        5: "hotlines, provincial and commune [S0, S1]",
        6: "helpers at reception points, officers in training [S0]",
        7: "terminals and lines of the service centres [S0]",
        8: "security and safety of the systems [S0]",
        9: "unit codes after the merger [S1]",
        10: "National Document Interconnection Axis [S1]",
        11: "National Reporting Information System [S1]",
        12: "tasks given by the Government and the Prime Minister [S1]",
        13: "online meetings [S1]",
        14: "25 services based wholly on data [S1]",
        15: "Smart Operation Centre [S1]",
        16: "the national portal as the single one-stop shop [S2]",
        17: "district procedures move to commune and province [S2, S3]",
        18: "transfer complete, archives kept, no record lost [S2]",
        19: "data on officers complete and accurate [S2]",
        20: "two topologies of service centres [S2]",
        21: "errors, delays, suspensions, data not synchronised [S3]",
        22: "national and specialised databases connected [S3]",
        23: "provincial systems stable and smooth 24/7 [S3]",
        24: "relocation and consolidation of data [S3]",
        25: "document brokers [S3]",
        26: "Hanoi: 66,000 dossiers in three weeks [S4]",
        27: "most communes connected to the portal [S4]",
        28: "on-the-spot support for the disadvantaged [S4]",
        29: "pilots: 9 bridges in 6 cities and 3 provinces [S2]",
        30: "VNeID is the only citizen account [P]",
        31: "payment platform [P]",
    }
)
"""Row -> what is asked for, in short, with its source."""
