-- What people call a subject, if anything. Nothing is decided by it.
ALTER TABLE subjects ADD COLUMN title TEXT;
