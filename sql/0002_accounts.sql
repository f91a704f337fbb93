-- Ways to prove who one is beside a password (D9), and the record of it.

-- Personal API tokens, for programs. Only a hash is kept.
CREATE TABLE api_tokens (
  id           BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id      UUID NOT NULL,
  name         VARCHAR(100) NOT NULL,
  token_hash   BINARY(32) NOT NULL COMMENT 'SHA-256 of the whole token',
  scope        ENUM('read','write') NOT NULL,
  created_at   DATETIME(6) NOT NULL,
  expires_at   DATETIME(6) NULL,
  last_used_at DATETIME(6) NULL COMMENT 'to the minute',
  revoked_at   DATETIME(6) NULL,
  UNIQUE KEY u_hash (token_hash),
  KEY k_user (user_id),
  CONSTRAINT fk_api_tokens_user FOREIGN KEY (user_id)
    REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- A browser that has signed in: the cookie's value is known by its hash.
CREATE TABLE sessions (
  id_hash    BINARY(32) NOT NULL PRIMARY KEY,
  user_id    UUID NOT NULL,
  created_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  revoked_at DATETIME(6) NULL,
  KEY k_user (user_id),
  KEY k_expires (expires_at),
  CONSTRAINT fk_sessions_user FOREIGN KEY (user_id)
    REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Who somebody is elsewhere: provider "proxy" for the web server's REMOTE_USER,
-- else the issuer of an identity provider's tokens.
CREATE TABLE identities (
  provider   VARCHAR(200) NOT NULL,
  subject    VARCHAR(255) NOT NULL,
  user_id    UUID NOT NULL,
  created_at DATETIME(6) NOT NULL,
  PRIMARY KEY (provider, subject),
  KEY k_user (user_id),
  CONSTRAINT fk_identities_user FOREIGN KEY (user_id)
    REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Addresses that may sign up while SIGN_UP=invited.
CREATE TABLE invitations (
  email      VARCHAR(320) NOT NULL PRIMARY KEY COMMENT 'lower case',
  created_at DATETIME(6) NOT NULL,
  expires_at DATETIME(6) NOT NULL,
  used_at    DATETIME(6) NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Counters of sign-ins and starts in a span of time, over all machines.
CREATE TABLE rate_windows (
  kind     VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  key_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of account or address',
  began_at DATETIME NOT NULL,
  hits     INT UNSIGNED NOT NULL,
  last_at  DATETIME(6) NOT NULL COMMENT 'the newest that was let through',
  PRIMARY KEY (kind, key_hash, began_at),
  KEY k_began (began_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- Sign-ins, tokens and changes of accounts. user_id has no foreign key: the
-- record outlives the account.
CREATE TABLE audit_log (
  id      BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at      DATETIME(6) NOT NULL,
  kind    VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id UUID NULL,
  actor   VARCHAR(100) NOT NULL COMMENT 'user, "admin" or "anonymous"',
  address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
  request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  detail  VARCHAR(1000) NOT NULL DEFAULT '',
  KEY k_user (user_id, at),
  KEY k_at (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;
