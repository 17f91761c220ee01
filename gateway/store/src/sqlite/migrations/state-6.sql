-- The last report of each device about itself: when it came, and its facts as a JSON object.
CREATE TABLE postures (
    subject INTEGER PRIMARY KEY REFERENCES subjects (id),
    at      INTEGER NOT NULL,
    report  TEXT NOT NULL
) STRICT;
