-- What sessions and refresh tokens come from, so that they end with it.
--
-- Each keeps the epoch that its user had when he was proven to be him, and is
-- good as long as that is the epoch still. Signing out, a new password and the
-- like raise it: one write ends all, also those that are being made meanwhile.
ALTER TABLE users
  ADD COLUMN sign_in_epoch BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN email_checked TINYINT(1) NOT NULL DEFAULT 0
    COMMENT 'an administrator says that the address is his';

-- family: all that come from one sign-in, by whichever way they were renewed.
-- api_token_id, ends_at: a proof that is revoked or ends by itself.
ALTER TABLE refresh_tokens
  ADD COLUMN epoch BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN family BINARY(16) NULL,
  ADD COLUMN api_token_id BIGINT NULL,
  ADD COLUMN ends_at DATETIME NULL,
  ADD KEY k_family (family);

ALTER TABLE sessions
  ADD COLUMN epoch BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN family BINARY(16) NULL,
  ADD COLUMN api_token_id BIGINT NULL,
  ADD COLUMN ends_at DATETIME NULL,
  ADD KEY k_family (family);

-- Addresses that nobody has typed in for himself.
UPDATE users SET email_checked = 1, updated_at = updated_at
  WHERE NOT is_test_user AND id NOT IN (
    SELECT user_id FROM audit_log
    WHERE kind = 'sign-up' AND user_id IS NOT NULL);
