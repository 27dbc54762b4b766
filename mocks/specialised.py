"""The specialised databases: land (đất đai), civil status (hộ tịch), business registration (đăng ký kinh doanh)."""

from mocks.receipts import ReceiptKeeper
from model.procedures import DATABASES


class Specialised(ReceiptKeeper):
    """Confirms what dossiers that come without paper rest on."""

    databases = tuple(dict.fromkeys(DATABASES.values()))
