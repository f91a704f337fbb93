-- Pull requests on their way. One row a task: its branch is pushed by a runner
-- (requested, running, pushed), then the request is opened by the API (done).
-- The credential goes with the end of the push, whatever end that is.
CREATE TABLE pull_requests (
  task_id      BIGINT NOT NULL PRIMARY KEY,
  user_id      UUID NOT NULL,
  state        ENUM('requested','running','pushed','done','failed') NOT NULL,
  attempt      INT UNSIGNED NOT NULL DEFAULT 1000000
               COMMENT '+1 a claim, never reset; above those of tasks',
  tries        INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'attempts that were lost',
  run_at       DATETIME(6) NOT NULL COMMENT 'not before',
  lease_until  DATETIME(6) NULL,
  owner        VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NULL
               COMMENT 'machine id : boot id',
  claim_token  BINARY(16) NULL COMMENT 'resolves an unknown commit',
  key_id       CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  nonce        BINARY(16) NULL,
  sealed       VARBINARY(12288) NULL,
  repo_url     VARCHAR(700) NOT NULL COMMENT 'as the repository is called now',
  base_branch  VARCHAR(255) NOT NULL,
  head_branch  VARCHAR(255) NULL,
  commit_hash  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  number       INT NULL,
  url          TEXT NULL,
  failure      VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  error        TEXT NULL,
  requested_at DATETIME(6) NOT NULL,
  ended_at     DATETIME(6) NULL COMMENT 'of the push, or of its failure',
  KEY k_claim (state, run_at),
  KEY k_owner (owner, state),
  CONSTRAINT fk_pull_requests_task FOREIGN KEY (task_id)
    REFERENCES tasks (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
