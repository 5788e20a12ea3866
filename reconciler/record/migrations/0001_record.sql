-- The record of one Moorline. Times are milliseconds since 1970; bodies are JSON; a state's version grows by one
-- with each commit. Statements keep to what SQLite and PostgreSQL share, but for AUTOINCREMENT and the triggers.

-- One leader. The fence grows with each change of leader; a write with an older fence is refused.
CREATE TABLE lease (
    name       TEXT   NOT NULL PRIMARY KEY,
    holder     TEXT   NOT NULL,
    fence      BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
INSERT INTO lease (name, holder, fence, expires_ms) VALUES ('leader', '', 0, 0);

CREATE TABLE environments (
    name    TEXT   NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    state   TEXT   NOT NULL
);

-- A step is open from before its effect until its outcome is known.
CREATE TABLE journal (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT    NOT NULL,
    rollout     TEXT,
    step        TEXT    NOT NULL,
    fence       BIGINT  NOT NULL,
    began_ms    BIGINT  NOT NULL,
    outcome     TEXT
);
CREATE INDEX journal_by_environment ON journal (environment, id);

-- Who did what. Each row's hash covers the one before it, so that a row changed or removed later shows.
CREATE TABLE audit (
    seq         BIGINT NOT NULL PRIMARY KEY,
    environment TEXT   NOT NULL,
    body        TEXT   NOT NULL,
    previous    TEXT   NOT NULL,
    hash        TEXT   NOT NULL
);
CREATE INDEX audit_by_environment ON audit (environment, seq);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_never_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- What people asked for; pending until a commit consumes it.
CREATE TABLE intents (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT    NOT NULL,
    body        TEXT    NOT NULL,
    consumed    BIGINT
);
CREATE INDEX intents_by_environment ON intents (environment, id);

-- Documents by digest, and which of them Terraform delivered last.
CREATE TABLE documents (
    environment TEXT   NOT NULL,
    digest      TEXT   NOT NULL,
    body        TEXT   NOT NULL,
    at_ms       BIGINT NOT NULL,
    PRIMARY KEY (environment, digest)
);
CREATE TABLE handed_over (
    environment TEXT   NOT NULL PRIMARY KEY,
    digest      TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    at_ms       BIGINT NOT NULL,
    FOREIGN KEY (environment, digest) REFERENCES documents (environment, digest)
);

CREATE TABLE events (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT    NOT NULL,
    body        TEXT    NOT NULL
);
CREATE INDEX events_by_environment ON events (environment, seq);

CREATE TABLE rollouts (
    id          TEXT   NOT NULL PRIMARY KEY,
    environment TEXT   NOT NULL REFERENCES environments (name),
    phase       TEXT   NOT NULL,
    started_ms  BIGINT NOT NULL,
    body        TEXT   NOT NULL
);
CREATE INDEX rollouts_by_environment ON rollouts (environment, started_ms, id);

-- Messages on their way, one row a channel. The key says which transition of which incident, so that the same one
-- is never queued twice.
CREATE TABLE outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    key       TEXT    NOT NULL UNIQUE,
    channel   TEXT    NOT NULL,
    incident  TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    due_ms    BIGINT  NOT NULL,
    attempt   BIGINT  NOT NULL DEFAULT 0,
    unsettled BIGINT  NOT NULL DEFAULT 0,
    state     TEXT    NOT NULL DEFAULT 'waiting',
    error     TEXT
);
CREATE INDEX outbox_by_incident ON outbox (state, incident, channel, id);

-- Where an incident's conversation goes on: Slack's ts, a mail's Message-ID.
CREATE TABLE threads (
    incident  TEXT NOT NULL,
    channel   TEXT NOT NULL,
    reference TEXT NOT NULL,
    PRIMARY KEY (incident, channel)
);
