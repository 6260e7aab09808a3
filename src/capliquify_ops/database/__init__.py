"""PostgreSQL: sessions, statements from files, identifiers, capabilities. The only importer of psycopg."""

from capliquify_ops.database.capabilities import Server, describe
from capliquify_ops.database.connect import Session, SessionLimits, observer, operator
from capliquify_ops.database.dsn import address_of, masked
from capliquify_ops.database.identifiers import fill, identifier, literal, qualified, quoted
from capliquify_ops.database.pooler_console import show as show_pooler
from capliquify_ops.database.pooling import Pooling
from capliquify_ops.database.statements import Statement, load

__all__ = [
    "Pooling",
    "Server",
    "Session",
    "SessionLimits",
    "Statement",
    "address_of",
    "describe",
    "fill",
    "identifier",
    "literal",
    "load",
    "masked",
    "observer",
    "operator",
    "qualified",
    "quoted",
    "show_pooler",
]
