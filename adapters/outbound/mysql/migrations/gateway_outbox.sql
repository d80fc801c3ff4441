CREATE TABLE IF NOT EXISTS gateway_outbox (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- What is to be published, as a JSON object of texts.
    fields LONGTEXT NOT NULL,
    created_at DATETIME(6) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4
