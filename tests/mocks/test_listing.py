"""The listing, which the audit reads."""

import threading

MANY = 1000  # dossiers after which nobody writes any more: a reader who is slower than the writers comes to an end


def test_pages_are_complete_while_others_write(stack, submission, eventually):
    """A reader that follows the cursor sees what was there when it began, once each, in the order of storing."""
    officer = stack.officer()
    before = [item["code"] for item in stack.listing("province:01")] + [stack.intake(officer) for _ in range(20)]
    stop = threading.Event()
    written = []

    def write():
        while not stop.is_set() and len(written) < MANY:
            written.append(stack.intake(officer))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        eventually(lambda: written)
        readings = [[item["code"] for item in stack.listing("province:01", limit=7)] for _ in range(5)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    final = [item["code"] for item in stack.listing("province:01", limit=1000)]
    assert written
    assert set(before) | set(written) == set(final)
    for codes in readings:
        assert len(codes) == len(set(codes))
        assert codes == final[: len(codes)]
        assert set(before) <= set(codes)


def test_a_page_has_no_more_than_its_limit(stack):
    officer = stack.officer()
    for _ in range(3):
        stack.intake(officer)
    page = stack.get("province:01", "/dossiers", params={"limit": 2}).json()
    assert len(page["items"]) == 2
    for wrong in ({"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"after": "'; --"}, {"beyond": 1}):
        assert stack.get("province:01", "/dossiers", params=wrong).status_code == 422


def test_an_unknown_code_is_404(stack):
    for name in ("national", "province:01"):
        for code in ("H01.00004-250701-9999", "' OR 1=1", "%ff"):
            assert stack.get(name, f"/dossiers/{code}").status_code == 404
