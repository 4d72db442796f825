"""What a class of SQLSTATEs means, for errors that nothing more exact is known of.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

_CLASSES = {
    "0A": "the server does not support what was asked of it",
    "21": "a query that must find one row found several",
    "22": "a value does not fit the type, or the function, that it is given to",
    "23": "a row breaks a constraint of the table",
    "25": "the transaction is not in the state for it",
    "28": "the server does not accept the role",
    "2B": "other objects depend on the one that was to go",
    "38": "a function of the database failed",
    "39": "a function of the database failed",
    "3D": "there is no such database",
    "3F": "there is no such schema",
    "40": "another transaction was in the way",
    "42": "a name, a type or a right is not what the statement needs",
    "44": "a row breaks the condition of a view",
    "53": "the server lacks memory, disk or connections",
    "54": "a limit of the server is passed: columns, arguments or the length of a statement",
    "55": "an object is in use, or not in the state for it",
    "57": "somebody stopped the statement or the server",
    "58": "the server's disk or system failed",
    "F0": "a file of the server's settings is damaged",
    "HV": "the foreign server behind a foreign table failed",
    "P0": "a function or a trigger of the database raised an error",
    "XX": "the server found damage, or failed in itself",
}


def meaning_of(state: str) -> str:
    """What an SQLSTATE says, in words: by its class, the first two characters."""
    return _CLASSES.get(state[:2], "the server refused the statement")
