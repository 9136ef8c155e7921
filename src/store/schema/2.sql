-- What mail servers without OAuth take for a login, sealed; `protocol` as in the configuration.
CREATE TABLE upstream_passwords (
    account  TEXT NOT NULL,
    protocol TEXT NOT NULL,
    password BLOB NOT NULL,
    PRIMARY KEY (account, protocol)
) STRICT;
