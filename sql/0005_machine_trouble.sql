-- Why a reaper that is alive takes no tasks; NULL: it does.
ALTER TABLE machines ADD COLUMN trouble VARCHAR(100) NULL;
