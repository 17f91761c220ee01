-- A renewed certificate names the first of its enrolment.
ALTER TABLE issuances ADD COLUMN first INTEGER REFERENCES issuances (id);

CREATE INDEX issuances_by_first ON issuances (first);

-- Who made a code: what they made before a subject was given more rights must not outlive that.
ALTER TABLE codes ADD COLUMN maker TEXT NOT NULL DEFAULT '';

-- Every bundle that was ever in force, with why, and how many of its own tests it passed.
ALTER TABLE bundles ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE bundles ADD COLUMN rules INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bundles ADD COLUMN passed INTEGER NOT NULL DEFAULT 0;

-- At most one row: the bundle in force goes back to a former one unless it is confirmed in time.
CREATE TABLE unconfirmed (
    revision   INTEGER NOT NULL,
    former     INTEGER NOT NULL,
    until_time INTEGER NOT NULL
) STRICT;
