-- One row: how often anything has changed, and a value that only the right key opens.
CREATE TABLE store (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL,
    key_check  BLOB    NOT NULL
) STRICT;

-- Tokens are sealed; times are milliseconds since 1970.
CREATE TABLE grants (
    account         TEXT    PRIMARY KEY,
    version         INTEGER NOT NULL,
    refresh_token   BLOB,
    access_token    BLOB,
    access_obtained INTEGER,
    access_expires  INTEGER,
    access_purpose  TEXT,
    refresh_started INTEGER
) STRICT;

-- Who is refreshing, and until when the others wait for it.
CREATE TABLE leases (
    account  TEXT    PRIMARY KEY,
    owner    TEXT    NOT NULL,
    deadline INTEGER NOT NULL
) STRICT;

CREATE TABLE password_salts (
    account TEXT PRIMARY KEY,
    salt    BLOB NOT NULL CHECK (length(salt) = 16)
) STRICT;

CREATE TABLE local_passwords (
    account TEXT    NOT NULL REFERENCES password_salts (account),
    name    TEXT    NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    created INTEGER NOT NULL,
    PRIMARY KEY (account, name)
) STRICT;
