-- The number of the last change. A change locks this row before it takes the next number. There is
-- one part so far, 0.
CREATE TABLE heads (
    part  INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT;

INSERT INTO heads (part, epoch) SELECT 0, coalesce(max(epoch), 0) FROM epochs;

-- A random id of the change's own, by which it is found again if its answer was lost. Changes from
-- before there were ids have none.
ALTER TABLE epochs ADD COLUMN id BLOB;
