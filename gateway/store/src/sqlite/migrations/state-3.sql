-- The files of bundles are kept in pieces, each of which is kept once: a small edit of a large
-- bundle takes little room, however often it is made.
CREATE TABLE pieces (
    id     INTEGER PRIMARY KEY,
    -- SHA-256 of the text; absent for what was written before there were pieces.
    digest BLOB UNIQUE,
    text   TEXT NOT NULL
) STRICT;

CREATE TABLE bundle_pieces (
    revision INTEGER NOT NULL REFERENCES bundles (revision),
    file     TEXT NOT NULL,
    place    INTEGER NOT NULL,
    piece    INTEGER NOT NULL REFERENCES pieces (id),
    PRIMARY KEY (revision, file, place)
) STRICT, WITHOUT ROWID;

INSERT INTO pieces (id, text)
          SELECT revision * 5,     model  FROM bundles
UNION ALL SELECT revision * 5 + 1, policy FROM bundles
UNION ALL SELECT revision * 5 + 2, roles  FROM bundles
UNION ALL SELECT revision * 5 + 3, groups FROM bundles
UNION ALL SELECT revision * 5 + 4, tests  FROM bundles;

INSERT INTO bundle_pieces (revision, file, place, piece)
          SELECT revision, 'model.conf', 0, revision * 5     FROM bundles
UNION ALL SELECT revision, 'policy.csv', 0, revision * 5 + 1 FROM bundles
UNION ALL SELECT revision, 'roles.csv',  0, revision * 5 + 2 FROM bundles
UNION ALL SELECT revision, 'groups.csv', 0, revision * 5 + 3 FROM bundles
UNION ALL SELECT revision, 'tests.toml', 0, revision * 5 + 4 FROM bundles;

ALTER TABLE bundles DROP COLUMN model;
ALTER TABLE bundles DROP COLUMN policy;
ALTER TABLE bundles DROP COLUMN roles;
ALTER TABLE bundles DROP COLUMN groups;
ALTER TABLE bundles DROP COLUMN tests;

-- Lines of a bundle that permit nothing, since the judges have differed about them.
CREATE TABLE suspended (
    revision INTEGER NOT NULL REFERENCES bundles (revision),
    line     INTEGER NOT NULL,
    PRIMARY KEY (revision, line)
) STRICT, WITHOUT ROWID;
