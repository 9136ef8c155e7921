-- Who has signed in, and when. What an id_token says is personal, but no secret.
ALTER TABLE grants ADD COLUMN signed_in INTEGER;
ALTER TABLE grants ADD COLUMN identity_issuer TEXT;
ALTER TABLE grants ADD COLUMN identity_subject TEXT;
ALTER TABLE grants ADD COLUMN identity_name TEXT;

-- When the provider says that the refresh token ends.
ALTER TABLE grants ADD COLUMN refresh_token_expires INTEGER;

-- How refreshes have gone lately; nothing depends on it.
CREATE TABLE refresh_histories (
    account       TEXT PRIMARY KEY,
    succeeded     INTEGER,
    failing_since INTEGER,
    failed        INTEGER,
    kind          TEXT,
    reason        TEXT
) STRICT;
