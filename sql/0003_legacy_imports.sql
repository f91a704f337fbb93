-- What "taskmill import" has taken from the old system, and what became of it,
-- so that a second run changes nothing.

-- kind backup: an entry of the old tasks file, known by its id and a hash.
CREATE TABLE legacy_imports (
  kind        ENUM('user','project','task','backup') NOT NULL,
  legacy_id   VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  new_id      VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  imported_at DATETIME(6) NOT NULL,
  PRIMARY KEY (kind, legacy_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
