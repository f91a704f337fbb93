-- The tables of the HTTP contract (users, projects, tasks) and, beside them,
-- what the task engine needs.
--
-- tasks is written rarely: when a task is accepted, claimed, ended, talked
-- about. All that changes every few seconds (lease, event counter) lives in
-- task_queue, a narrow row that exists exactly as long as its task has not
-- ended (M11). So claiming, renewing and sweeping look at live tasks only, and
-- cost the same with a thousand and with a million ended ones.
--
-- Order of locks, everywhere: task_queue, then tasks, then the rest (M10).

CREATE TABLE users (
  id              UUID NOT NULL PRIMARY KEY,
  email           VARCHAR(320) NULL,
  full_name       TEXT NULL,
  avatar_url      TEXT NULL,
  github_username VARCHAR(255) NULL,
  github_token    TEXT NULL COMMENT 'of the old tables; nothing is stored here',
  preferences     JSON NULL DEFAULT '{}',
  created_at      DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at      DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6)
                  ON UPDATE CURRENT_TIMESTAMP(6),
  is_test_user    TINYINT(1) NULL DEFAULT 0,
  expires_at      DATETIME(6) NULL,
  disabled_at     DATETIME(6) NULL COMMENT 'set: may not sign in or call',
  KEY k_email (email),
  KEY k_test_user (is_test_user),
  KEY k_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Sign-in by e-mail needs it to name one user; test users of the old tables
-- may share or lack an address, so the rule is on those that can sign in.
CREATE TABLE user_credentials (
  user_id       UUID NOT NULL PRIMARY KEY,
  email         VARCHAR(320) NOT NULL COMMENT 'lower case',
  password_hash VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  changed_at    DATETIME(6) NOT NULL,
  UNIQUE KEY u_email (email),
  CONSTRAINT fk_credentials_user FOREIGN KEY (user_id)
    REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE refresh_tokens (
  jti_hash   BINARY(32) NOT NULL PRIMARY KEY COMMENT 'SHA-256 of the jti',
  user_id    UUID NOT NULL,
  issued_at  DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  revoked_at DATETIME(6) NULL,
  KEY k_user (user_id),
  KEY k_expires (expires_at),
  CONSTRAINT fk_refresh_user FOREIGN KEY (user_id)
    REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE projects (
  id           BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id      UUID NOT NULL,
  repo_url     VARCHAR(700) NOT NULL,
  repo_name    VARCHAR(255) NOT NULL,
  repo_owner   VARCHAR(255) NOT NULL,
  name         TEXT NOT NULL,
  description  TEXT NULL,
  is_active    TINYINT(1) NULL DEFAULT 1,
  settings     JSON NULL DEFAULT '{}',
  created_at   DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at   DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6)
               ON UPDATE CURRENT_TIMESTAMP(6),
  is_test_data TINYINT(1) NULL DEFAULT 0,
  UNIQUE KEY projects_user_id_repo_url_key (user_id, repo_url),
  CONSTRAINT fk_projects_user FOREIGN KEY (user_id)
    REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE tasks (
  id             BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id        UUID NOT NULL,
  project_id     BIGINT NULL,
  status         ENUM('pending','running','completed','failed','cancelled')
                 NULL DEFAULT 'pending',
  agent          VARCHAR(64) NULL DEFAULT 'claude',
  repo_url       TEXT NULL,
  target_branch  VARCHAR(255) NULL DEFAULT 'main',
  pr_branch      VARCHAR(255) NULL,
  container_id   VARCHAR(255) NULL COMMENT 'the sandbox of the last attempt',
  commit_hash    VARCHAR(64) NULL,
  pr_number      INT NULL,
  pr_url         TEXT NULL,
  git_diff       LONGTEXT NULL COMMENT 'as shown: bad bytes replaced',
  git_patch      LONGBLOB NULL COMMENT 'byte for byte what git wrote',
  changed_files  JSON NULL DEFAULT '[]',
  error          MEDIUMTEXT NULL,
  chat_messages  JSON NOT NULL DEFAULT '[]',
  execution_metadata JSON NULL DEFAULT '{}',
  created_at     DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at     DATETIME(6) NULL DEFAULT CURRENT_TIMESTAMP(6)
                 ON UPDATE CURRENT_TIMESTAMP(6),
  started_at     DATETIME(6) NULL,
  completed_at   DATETIME(6) NULL,
  is_test_data   TINYINT(1) NULL DEFAULT 0,
  prompt         TEXT NOT NULL DEFAULT ''
                 COMMENT 'first user message, so that a poll parses no JSON',
  patch_bytes    BIGINT NOT NULL DEFAULT 0
                 COMMENT 'so that a list reads no patch',
  failure_code   VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  start_token    BINARY(16) NULL
                 COMMENT 'random; finds out whether a lost COMMIT happened',
  KEY k_user (user_id, created_at, id),
  KEY k_project (project_id, created_at, id),
  UNIQUE KEY u_start_token (start_token),
  CONSTRAINT fk_tasks_user FOREIGN KEY (user_id)
    REFERENCES users (id) ON DELETE CASCADE,
  CONSTRAINT fk_tasks_project FOREIGN KEY (project_id)
    REFERENCES projects (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- One row a task that is pending or running; attempt is the fence.
-- turn: start tags of fair queueing; a user's k-th waiting task stands behind
-- everybody else's first k-1.
CREATE TABLE task_queue (
  task_id     BIGINT NOT NULL PRIMARY KEY,
  user_id     UUID NOT NULL,
  state       ENUM('pending','running') NOT NULL,
  attempt     INT UNSIGNED NOT NULL DEFAULT 0 COMMENT '+1 a claim, never reset',
  tries       INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'attempts that were lost',
  turn        BIGINT UNSIGNED NOT NULL,
  run_at      DATETIME(6) NOT NULL COMMENT 'not before',
  lease_until DATETIME(6) NULL,
  owner       VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NULL
              COMMENT 'machine id : boot id',
  cancel_requested_at DATETIME(6) NULL,
  last_seq    BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'newest event',
  KEY k_claim (state, turn, task_id),
  KEY k_lease (state, lease_until),
  KEY k_owner (owner, state),
  KEY k_user (user_id, state, turn)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- The proof of a claim and of what was shipped; resolves unknown commits.
CREATE TABLE task_attempts (
  task_id     BIGINT NOT NULL,
  attempt     INT UNSIGNED NOT NULL,
  owner       VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  claim_token BINARY(16) NOT NULL,
  shipped_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  claimed_at  DATETIME(6) NOT NULL,
  ended_at    DATETIME(6) NULL,
  outcome     VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NULL,
  PRIMARY KEY (task_id, attempt)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE task_events (
  task_id    BIGINT NOT NULL,
  seq        BIGINT UNSIGNED NOT NULL,
  attempt    INT UNSIGNED NOT NULL,
  spool_seq  BIGINT UNSIGNED NULL,
  kind       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at DATETIME(6) NOT NULL,
  data       MEDIUMTEXT NOT NULL,
  PRIMARY KEY (task_id, seq),
  UNIQUE KEY u_ship (task_id, attempt, spool_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- A queued task's credential, readable by the reaper alone; goes when it ends.
CREATE TABLE task_secrets (
  task_id BIGINT NOT NULL PRIMARY KEY,
  key_id  CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  nonce   BINARY(16) NOT NULL,
  sealed  VARBINARY(12288) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE idempotency_keys (
  user_id    UUID NOT NULL,
  idem_key   VARBINARY(255) NOT NULL,
  req_hash   BINARY(32) NOT NULL,
  task_id    BIGINT NOT NULL,
  created_at DATETIME(6) NOT NULL,
  PRIMARY KEY (user_id, idem_key),
  KEY k_created (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Who reaps. A copied state folder shows as one id with two boots (53).
CREATE TABLE machines (
  id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  boot_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  seen_at DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
