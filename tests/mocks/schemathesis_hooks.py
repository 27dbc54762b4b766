"""What schemathesis loads beside its configuration: a key of its own for each write, and a note of every answer."""

import uuid
from pathlib import Path

import schemathesis

KEY = "mot-khoa-moi"  # stands for one that was never used
ANSWERS = "answers.txt"  # in the folder in which schemathesis runs


@schemathesis.hook
def before_call(context, case, options):
    """Give a write a key of its own: under one that was used, it would only be told so."""
    if (case.headers or {}).get("Idempotency-Key") == KEY:
        case.headers["Idempotency-Key"] = f"k-{uuid.uuid4().hex}"


@schemathesis.hook
def after_call(context, case, response):
    """Note which operation was answered how."""
    with Path(ANSWERS).open("a", encoding="utf-8") as answers:
        answers.write(f"{case.operation.label}\t{response.status_code}\n")
