-- The state that decisions rest on. Instants are microseconds since 1970.

CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- One row for each committed change: who made it, and what it touched.
CREATE TABLE epochs (
    epoch   INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    what    TEXT NOT NULL,
    touched TEXT NOT NULL
) STRICT;

-- A subject's number outlives its name: a removed row stays, and its name may be used again.
CREATE TABLE subjects (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    agentless INTEGER NOT NULL DEFAULT 0,
    enabled   INTEGER NOT NULL DEFAULT 1,
    created   INTEGER NOT NULL,
    removed   INTEGER
) STRICT;

CREATE UNIQUE INDEX subjects_by_name ON subjects (kind, name) WHERE removed IS NULL;

CREATE TABLE roles (
    subject    INTEGER NOT NULL REFERENCES subjects (id),
    role       TEXT NOT NULL,
    until_time INTEGER,
    PRIMARY KEY (subject, role)
) STRICT;

CREATE TABLE device_groups (
    subject    INTEGER NOT NULL REFERENCES subjects (id),
    group_name TEXT NOT NULL,
    until_time INTEGER,
    PRIMARY KEY (subject, group_name)
) STRICT;

CREATE TABLE interfaces (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    device  INTEGER NOT NULL REFERENCES subjects (id),
    name    TEXT NOT NULL,
    url     TEXT NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    UNIQUE (device, name)
) STRICT;

-- An issuing authority, by SHA-256 of its public key. Intermediates are JSON: hex DER each.
CREATE TABLE authorities (
    key           TEXT PRIMARY KEY,
    slot          TEXT NOT NULL UNIQUE,
    certificate   BLOB NOT NULL,
    intermediates TEXT NOT NULL,
    root          BLOB NOT NULL,
    created       INTEGER NOT NULL
) STRICT;

-- The allow-list: a certificate identifies somebody only while its row is here and live.
CREATE TABLE issuances (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer      TEXT NOT NULL REFERENCES authorities (key),
    serial      TEXT NOT NULL,
    key         TEXT NOT NULL,
    subject     INTEGER NOT NULL REFERENCES subjects (id),
    not_before  INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    issued      INTEGER NOT NULL,
    revoked     INTEGER,
    certificate BLOB NOT NULL,
    UNIQUE (issuer, serial)
) STRICT;

CREATE INDEX issuances_by_subject ON issuances (subject);

-- A code without a subject is an owner's. Only the digest of its secret is kept.
CREATE TABLE codes (
    digest      TEXT PRIMARY KEY,
    subject     INTEGER REFERENCES subjects (id),
    created     INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    wrong       INTEGER NOT NULL DEFAULT 0,
    cancelled   INTEGER NOT NULL DEFAULT 0,
    redeemed_by TEXT,
    issuance    INTEGER REFERENCES issuances (id)
) STRICT;

CREATE INDEX codes_by_subject ON codes (subject);

CREATE TABLE bundles (
    revision INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    author   TEXT NOT NULL,
    model    TEXT NOT NULL,
    policy   TEXT NOT NULL,
    roles    TEXT NOT NULL,
    groups   TEXT NOT NULL,
    tests    TEXT NOT NULL
) STRICT;
