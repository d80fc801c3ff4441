CREATE TABLE IF NOT EXISTS gateway_api_keys (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    worker_id BIGINT NOT NULL,
    -- The SHA-256 of the key, in lower-case hex.
    digest CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    label VARCHAR(100) NULL,
    -- Times are in UTC.
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NULL,
    revoked_at DATETIME(6) NULL,
    KEY gateway_api_keys_worker_id (worker_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4
