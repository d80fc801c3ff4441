CREATE TABLE IF NOT EXISTS scheduled_tasks (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    public_id VARCHAR(32) NOT NULL UNIQUE,
    name VARCHAR(255) NOT NULL UNIQUE,
    project_id BIGINT NOT NULL,
    task_type VARCHAR(20) NOT NULL,
    schedule_type VARCHAR(20) NOT NULL,
    timeout_seconds INT NOT NULL DEFAULT 3600,
    status VARCHAR(11) NOT NULL,
    is_active BOOL NOT NULL,
    last_run_time DATETIME(6) NULL,
    failure_count INT NOT NULL DEFAULT 0,
    success_count INT NOT NULL DEFAULT 0,
    created_at DATETIME(6) NOT NULL,
    updated_at DATETIME(6) NOT NULL,
    user_id BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4
