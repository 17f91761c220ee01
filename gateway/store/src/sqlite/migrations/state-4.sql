-- The network that an interface was declared in. None: it is reached by no network, or it was
-- declared before networks had names, and dial.networks as a whole bounds it.
ALTER TABLE interfaces ADD COLUMN network TEXT;

-- Interfaces that were off when they were removed: declared again, they are off again. By names,
-- since the device may have been removed as well.
CREATE TABLE interfaces_off (
    device TEXT NOT NULL,
    name   TEXT NOT NULL,
    PRIMARY KEY (device, name)
) STRICT, WITHOUT ROWID;

-- For whoever adds a subject: was its name used before?
CREATE INDEX subjects_removed ON subjects (kind, name) WHERE removed IS NOT NULL;
