-- What a local password may be used for; NULL: anything. Several values are separated by blanks: protocols
-- as in the configuration, networks as address/length.
ALTER TABLE local_passwords ADD COLUMN protocols TEXT;
ALTER TABLE local_passwords ADD COLUMN networks TEXT;

-- When a local password was last used. Nothing depends on it, so it is no change that anybody waits for; it
-- goes with its password.
CREATE TABLE password_uses (
    account  TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    used     INTEGER NOT NULL,
    protocol TEXT    NOT NULL,
    address  TEXT    NOT NULL,
    PRIMARY KEY (account, name),
    FOREIGN KEY (account, name) REFERENCES local_passwords (account, name) ON DELETE CASCADE
) STRICT;
