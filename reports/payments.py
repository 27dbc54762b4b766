"""The book of payments: platform, portal and province each say once, and of the same amount, that a fee was paid.

*Lost*: the citizen paid, and one of the three still waits for it. *Duplicated*: credited more than once.
*Divergent*: the amounts differ. *Unfounded*: held as paid, and the platform has no such payment. See model/books.py.
"""

from model.books import PAYMENT
from reports.sql import text

STAGES = f"""
CREATE TEMP TABLE paid AS
SELECT key, owner, lowest, highest FROM book_held WHERE book = {text(PAYMENT)};
"""

LOST = f"""
SELECT book, key, CASE owner
    WHEN {text(PAYMENT)} THEN 'paid, as the citizen was told, and the platform holds it as not paid'
    ELSE 'paid, and still waiting at ' || owner END
FROM (
    SELECT book, key, unnest([{text(PAYMENT)}, 'national', 'province:' || province]) AS owner
    FROM book_owed
    WHERE book = {text(PAYMENT)} AND NOT unread
        AND (acknowledged IS NOT NULL OR key IN (SELECT key FROM paid WHERE owner = {text(PAYMENT)}))
) wanted
ANTI JOIN paid ON paid.key = wanted.key AND paid.owner = wanted.owner
"""

DIVERGENT = f"""
SELECT {text(PAYMENT)}, key, 'the amounts differ: ' || string_agg(owner || ' ' || highest, ', ' ORDER BY owner)
FROM paid GROUP BY key HAVING min(lowest) <> max(highest)
"""

UNFOUNDED = f"""
SELECT {text(PAYMENT)}, key, owner || ' holds it as paid; the platform doesn''t'
FROM paid ANTI JOIN (SELECT key FROM paid WHERE owner = {text(PAYMENT)}) platform ON platform.key = paid.key
WHERE {text(PAYMENT)} NOT IN (FROM unread_books)
"""
