-- LangGraph Platform's shape: uuid throughout, and its checkpoints have foreign keys.
CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
CREATE TABLE assistant (
    assistant_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), graph_id text NOT NULL,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    config jsonb NOT NULL DEFAULT '{}', metadata jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1, name text, context jsonb NOT NULL DEFAULT '{}',
    description text);
CREATE TABLE assistant_versions (
    assistant_id uuid REFERENCES assistant ON DELETE CASCADE, version integer DEFAULT 1,
    graph_id text NOT NULL, config jsonb NOT NULL DEFAULT '{}', metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz DEFAULT now(), PRIMARY KEY (assistant_id, version));
CREATE TABLE thread (
    thread_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(), metadata jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'idle', config jsonb NOT NULL DEFAULT '{}', "values" jsonb,
    interrupts jsonb NOT NULL DEFAULT '{}');
CREATE INDEX ON thread USING gin (metadata jsonb_path_ops);
CREATE INDEX ON thread (status, created_at DESC);
CREATE TABLE thread_ttl (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE,
    strategy text NOT NULL DEFAULT 'delete', ttl_minutes numeric NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(), expires_at timestamp
        GENERATED ALWAYS AS (created_at + ttl_minutes * interval '1 minute') STORED);
CREATE TABLE run (
    run_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE,
    assistant_id uuid NOT NULL REFERENCES assistant ON DELETE CASCADE,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(),
    metadata jsonb NOT NULL DEFAULT '{}', status text NOT NULL DEFAULT 'pending',
    kwargs jsonb NOT NULL, multitask_strategy text NOT NULL DEFAULT 'reject');
CREATE INDEX ON run (thread_id, status);
CREATE TABLE checkpoints (
    thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE, checkpoint_id uuid NOT NULL,
    run_id uuid REFERENCES run ON DELETE CASCADE, parent_checkpoint_id uuid,
    checkpoint jsonb NOT NULL, metadata jsonb NOT NULL DEFAULT '{}',
    checkpoint_ns text NOT NULL DEFAULT '',
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id));
CREATE INDEX ON checkpoints (run_id);
CREATE TABLE checkpoint_writes (
    thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE, checkpoint_id uuid NOT NULL,
    task_id uuid NOT NULL, idx integer NOT NULL, channel text NOT NULL, type text NOT NULL,
    blob bytea NOT NULL, checkpoint_ns text NOT NULL DEFAULT '',
    task_path text NOT NULL DEFAULT '',
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx));
CREATE TABLE checkpoint_blobs (
    thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE, channel text NOT NULL,
    version text NOT NULL, type text NOT NULL, blob bytea, checkpoint_ns text NOT NULL DEFAULT '',
    PRIMARY KEY (thread_id, checkpoint_ns, channel, version));
CREATE TYPE feedback_rating AS ENUM ('thumbs_up', 'thumbs_down');
CREATE TABLE feedback (
    run_id uuid PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    thread_id uuid NOT NULL REFERENCES thread ON DELETE CASCADE, human_message text NOT NULL,
    ai_message text NOT NULL, rating feedback_rating NOT NULL, feedback_text text,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(), metadata jsonb);
