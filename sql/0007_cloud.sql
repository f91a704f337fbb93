-- What the cloud's sandboxes do to tasks and machines.

-- A task that the account has no room for goes back into the queue, and says
-- why it waits. waiting_since: the first refusal in a row; NULL: none.
ALTER TABLE task_queue
  ADD COLUMN waiting_since DATETIME(6) NULL,
  ADD COLUMN waiting_reason VARCHAR(480) NULL
    COMMENT 'shown to its user; NULL: it waits for its turn alone';

-- What this machine's janitor saw when it last looked, and has killed so far.
ALTER TABLE machines
  ADD COLUMN sandboxes INT UNSIGNED NULL,
  ADD COLUMN sandboxes_seen_at DATETIME(6) NULL,
  ADD COLUMN sandboxes_killed BIGINT UNSIGNED NOT NULL DEFAULT 0;
