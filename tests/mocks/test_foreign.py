"""A province speaks for its own dossiers, and a system takes over only what belongs to it and can be worked on."""

import pytest

from model import places
from tests.mocks.conftest import submission

OCCURRED = "20250701080000"
SCRIPT = "'; DROP <b>x</b>"


@pytest.fixture(scope="module")
def pair(tmp_path_factory, stack_class):
    """The portal and two provinces."""
    stack = stack_class(tmp_path_factory.mktemp("pair"), provinces=("01", "79"), platforms=("specialised",)).start()
    yield stack
    stack.stop()


def item(code, **changes):
    """Return a dossier of province 01 as one system tells another one of it."""
    return {
        **{"MaHoSo": code, "MaThamChieu": "k", "MaTinh": "01", "MaXa": "00004", "MaTTHC": "2.000815"},
        **{"KenhThucHien": 1, "MaBam": "0" * 64, "isUpdating": "False", "TienTrinh": [[1, 2, OCCURRED]]},
        **changes,
    }


def step(code, sequence=2, state=9):
    return {"MaHoSo": code, "ThuTu": sequence, "TrangThai": state, "ThoiDiem": OCCURRED}


@pytest.mark.parametrize("issuer", ["G", "H"])
def test_no_province_moves_a_dossier_of_another_one(pair, eventually, issuer):
    stack = pair
    if issuer == "H":
        code = stack.intake(stack.officer())
    else:
        headers = {**stack.citizen(), **stack.key()}
        code = stack.post("national", "/dossiers", submission(), headers=headers).json()["code"]
    eventually(lambda: stack.states("national", code))
    before = stack.states("national", code)
    assert stack.sync("79", "CapNhatTienDoHoSoMC", [step(code)]) == [-1]
    longer = [[1, 2, OCCURRED], [2, 9, OCCURRED]]
    for unit in ({"MaTinh": "79", "MaXa": "25747"}, {}):
        foreign = item(code, isUpdating="True", TienTrinh=longer, **unit)
        assert stack.sync("79", "DongBoHoSoMC", [foreign]) == [-1]
    assert stack.states("national", code) == before
    assert stack.sync("01", "CapNhatTienDoHoSoMC", [step(code)]) == [0]
    assert stack.sync("01", "DongBoHoSoMC", [item(code, isUpdating="True", TienTrinh=longer)]) == [0]
    assert stack.states("national", code) == [*before, 9]


def test_no_province_registers_a_code_that_another_one_or_the_portal_issues(pair):
    codes = ["H79.25747-250701-0001", "G79.25747-250701-0001", "G01.00004-250701-0001"]
    assert pair.sync("01", "DongBoHoSoMC", [item(code) for code in codes]) == [-1] * 3
    assert [pair.states("national", code) for code in codes] == [None] * 3


def test_no_province_is_handed_a_code_that_it_issues_itself_or_another_ones(pair):
    for code in ("H01.00004-250701-0001", "G79.25747-250701-0002"):
        assert (
            pair.post("province:01", "/HoSo/NopTrucTuyen", item(code), headers=pair.peer()).json()["error_code"] == -1
        )
        assert pair.states("province:01", code) is None


def test_a_code_with_a_unit_of_before_is_its_provinces_as_well(pair):
    known = places.communes()
    old = next(
        old for old, unit in places.legacy().items() if known[unit.default].province == "01" and old not in known
    )
    code = f"H01.{old.zfill(5)}-250701-0001"
    assert pair.sync("01", "DongBoHoSoMC", [item(code)]) == [0]
    assert pair.sync("01", "CapNhatTienDoHoSoMC", [step(code)]) == [0]
    assert pair.states("national", code) == [2, 9]


def test_only_provinces_of_the_stack_log_in_and_are_counted(pair):
    for name in ("province:99", "province:", "province", "national", "cb.H79"):
        asked = {"username": name, "password": f"mk.{name}"}
        assert pair.post("national", "/login", asked).status_code == 401, name
    assert 'province="99"' not in pair.get("national", "/metrics").text


@pytest.mark.parametrize("procedure", [SCRIPT, "9.999999"])
def test_a_procedure_that_is_not_in_the_catalogue_is_not_taken_over(pair, procedure):
    code = "H01.00004-250702-0001"
    assert pair.sync("01", "DongBoHoSoMC", [item(code, MaTTHC=procedure)]) == [-1]
    handed = item("G01.00004-250702-0001", MaTTHC=procedure)
    assert pair.post("province:01", "/HoSo/NopTrucTuyen", handed, headers=pair.peer()).json()["error_code"] == -1
    assert pair.states("national", code) is None
    assert pair.states("province:01", handed["MaHoSo"]) is None


@pytest.mark.parametrize(
    "moment", [1751328000.0, "", "19991231235959", "20250229080000", "20250701240000", "20250701080000.", "2025-07-01"]
)
def test_a_step_happened_at_a_moment_of_this_century(pair, moment):
    name = {"username": "province:01", "password": "mk.province:01"}
    session = pair.post("national", "/login", name).json()["session"]
    code = "H01.00004-250703-0001"
    for service, data in (
        ("DongBoHoSoMC", item(code, TienTrinh=[[1, 2, moment]])),
        ("CapNhatTienDoHoSoMC", {**step(code), "ThoiDiem": moment}),
    ):
        call = {"session": session, "madonvi": "01", "service": service, "data": [data]}
        assert pair.post("national", "/sync", call).status_code == 422
    handed = item("G01.00004-250703-0001", TienTrinh=[[1, 1, moment]])
    assert pair.post("province:01", "/HoSo/NopTrucTuyen", handed, headers=pair.peer()).status_code == 422
    assert pair.metric("national", "thongsuot_sync_lag_seconds_sum") < 1e12


def test_a_counter_of_another_province_hands_a_dossier_over_and_has_no_say_in_it_then(pair):
    """Telling of it again changes nothing, whatever it says; the province that decides it moves it."""
    code = "H79.00004-250704-0001"
    assert pair.sync("79", "DongBoHoSoMC", [item(code)]) == [0]
    more = [[1, 2, OCCURRED], [2, 9, OCCURRED]]
    assert pair.sync("79", "DongBoHoSoMC", [item(code, isUpdating="True", TienTrinh=more)]) == [0]
    assert pair.sync("79", "CapNhatTienDoHoSoMC", [step(code)]) == [-1]
    assert pair.states("national", code) == [2]
    assert pair.sync("01", "CapNhatTienDoHoSoMC", [step(code)]) == [0]
    assert pair.states("national", code) == [2, 9]
