-- What mail servers without OAuth take for a login, sealed; `protocol` as in the configuration, and the
-- host that it was given for, which is the only one that may see it.
CREATE TABLE upstream_passwords (
    account  TEXT NOT NULL,
    protocol TEXT NOT NULL,
    host     TEXT NOT NULL,
    password BLOB NOT NULL,
    PRIMARY KEY (account, protocol)
) STRICT;
