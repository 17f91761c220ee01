-- The audit log: one JSON record a row, in the order in which they were written.

CREATE TABLE records (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    flow   TEXT,
    record TEXT NOT NULL
) STRICT;

CREATE INDEX records_by_time ON records (at);
CREATE INDEX records_by_flow ON records (flow) WHERE flow IS NOT NULL;
