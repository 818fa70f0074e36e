-- aegra v0.9.17, beside the tables of its saver and of LangGraph's store.
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
CREATE TABLE assistant (
    assistant_id text PRIMARY KEY DEFAULT gen_random_uuid()::text, name text NOT NULL,
    description text, graph_id text NOT NULL, config jsonb NOT NULL DEFAULT '{}',
    context jsonb NOT NULL DEFAULT '{}', user_id text NOT NULL, version integer NOT NULL DEFAULT 1,
    metadata jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE assistant_versions (
    assistant_id text REFERENCES assistant ON DELETE CASCADE, version integer,
    graph_id text NOT NULL, config jsonb, context jsonb,
    created_at timestamptz NOT NULL DEFAULT now(), metadata jsonb NOT NULL DEFAULT '{}', name text,
    description text, PRIMARY KEY (assistant_id, version));
CREATE TABLE thread (
    thread_id text PRIMARY KEY, status text NOT NULL DEFAULT 'idle',
    metadata_json jsonb NOT NULL DEFAULT '{}', user_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON thread (user_id);
CREATE INDEX ON thread USING gin (metadata_json jsonb_path_ops);
CREATE TABLE runs (
    run_id text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    thread_id text NOT NULL REFERENCES thread ON DELETE CASCADE,
    assistant_id text REFERENCES assistant ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'pending', input jsonb DEFAULT '{}', config jsonb, context jsonb,
    output jsonb, error_message text, user_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    execution_params jsonb, claimed_by text, lease_expires_at timestamptz);
CREATE INDEX ON runs (thread_id);
CREATE INDEX ON runs (user_id);
CREATE TABLE store (
    prefix text, key text, value jsonb NOT NULL, created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), expires_at timestamptz, ttl_minutes integer,
    PRIMARY KEY (prefix, key));
